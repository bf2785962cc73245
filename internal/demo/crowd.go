package demo

import (
	"math/rand/v2"
)

// weighted is a choice that is made with a probability in proportion to its
// weight.
type weighted[T any] struct {
	weight float64
	value  T
}

func pick[T any](r *rand.Rand, from []weighted[T]) T {
	total := 0.0
	for _, w := range from {
		total += w.weight
	}
	at := r.Float64() * total
	for _, w := range from {
		if at -= w.weight; at < 0 {
			return w.value
		}
	}
	return from[len(from)-1].value
}

// country of a visitor, with who provides the line.
type country struct {
	code, language string
	providers      []provider
}

type provider struct {
	asn  uint32
	name string
}

var countries = map[string][]weighted[country]{
	kitchen: {
		{36, usa}, {14, britain}, {13, germany}, {8, canada}, {5, australia}, {4, france}, {3, netherlands}, {3, austria}, {2, switzerland},
		{3, india}, {2, spain}, {2, italy}, {2, sweden}, {1, poland}, {1, brazil}, {1, japan},
	},
	travel: {
		{17, germany}, {16, britain}, {15, usa}, {8, netherlands}, {7, france}, {6, italy}, {5, spain}, {5, sweden}, {4, switzerland}, {4, austria},
		{3, poland}, {3, canada}, {3, india}, {2, australia}, {1, brazil}, {1, japan},
	},
}

var (
	usa         = country{"US", "en-US,en;q=0.9", []provider{{7922, "Comcast Cable Communications"}, {7018, "AT&T Enterprises"}, {21928, "T-Mobile USA"}, {701, "Verizon Business"}}}
	britain     = country{"GB", "en-GB,en;q=0.9", []provider{{2856, "British Telecommunications"}, {5607, "Sky UK"}, {12576, "EE"}, {5089, "Virgin Media"}}}
	germany     = country{"DE", "de-DE,de;q=0.9,en;q=0.7", []provider{{3320, "Deutsche Telekom"}, {3209, "Vodafone GmbH"}, {6805, "Telefonica Germany"}, {8881, "1&1 Versatel"}}}
	canada      = country{"CA", "en-CA,en;q=0.9,fr;q=0.5", []provider{{812, "Rogers Communications"}, {577, "Bell Canada"}, {852, "TELUS Communications"}}}
	australia   = country{"AU", "en-AU,en;q=0.9", []provider{{1221, "Telstra"}, {4804, "Optus"}}}
	france      = country{"FR", "fr-FR,fr;q=0.9,en;q=0.6", []provider{{3215, "Orange"}, {12322, "Free"}, {15557, "SFR"}}}
	netherlands = country{"NL", "nl-NL,nl;q=0.9,en;q=0.8", []provider{{1136, "KPN"}, {33915, "Ziggo"}}}
	austria     = country{"AT", "de-AT,de;q=0.9,en;q=0.7", []provider{{8447, "A1 Telekom Austria"}, {8412, "Magenta Telekom"}}}
	switzerland = country{"CH", "de-CH,de;q=0.9,en;q=0.8", []provider{{3303, "Swisscom"}, {6730, "Sunrise"}}}
	india       = country{"IN", "en-IN,en;q=0.9,hi;q=0.6", []provider{{55836, "Reliance Jio"}, {24560, "Bharti Airtel"}}}
	spain       = country{"ES", "es-ES,es;q=0.9,en;q=0.6", []provider{{3352, "Telefonica de Espana"}, {12479, "Orange Espagne"}}}
	italy       = country{"IT", "it-IT,it;q=0.9,en;q=0.6", []provider{{3269, "Telecom Italia"}, {1267, "WIND TRE"}}}
	sweden      = country{"SE", "sv-SE,sv;q=0.9,en;q=0.8", []provider{{3301, "Telia Company"}, {2119, "Telenor"}}}
	poland      = country{"PL", "pl-PL,pl;q=0.9,en;q=0.6", []provider{{5617, "Orange Polska"}, {12741, "Netia"}}}
	brazil      = country{"BR", "pt-BR,pt;q=0.9,en;q=0.5", []provider{{28573, "Claro NXT"}, {18881, "Telefonica Brasil"}}}
	japan       = country{"JP", "ja-JP,ja;q=0.9,en;q=0.4", []provider{{4713, "NTT Communications"}, {17676, "SoftBank"}}}
)

// Browsers as they introduce themselves.
const (
	chromeWindows  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
	chromeMac      = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
	chromeAndroid  = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"
	safariPhone    = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
	safariMac      = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15"
	safariTablet   = "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1"
	firefoxWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
	firefoxLinux   = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
	edgeWindows    = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0"
	samsungPhone   = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"
	instagramPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22G86 Instagram 399.0.0.23.119 (iPhone15,2; iOS 18_6; en_US; en; scale=3.00; 1179x2556; 786943000)"
	pinterestPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [Pinterest/iOS]"
	television     = "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/108.0.5359.211 Safari/537.36 WebAppManager"
)

var browsers = map[string][]weighted[string]{
	kitchen: {
		{24, safariPhone}, {18, chromeAndroid}, {17, chromeWindows}, {8, chromeMac}, {8, safariMac}, {7, safariTablet}, {5, edgeWindows},
		{5, samsungPhone}, {4, pinterestPhone}, {3, firefoxWindows}, {1, firefoxLinux}, {0.3, television},
	},
	travel: {
		{26, safariPhone}, {19, chromeAndroid}, {14, instagramPhone}, {11, chromeWindows}, {8, chromeMac}, {7, safariMac}, {5, samsungPhone},
		{4, safariTablet}, {3, firefoxWindows}, {2, edgeWindows}, {1, firefoxLinux},
	},
}

// origin is where a click comes from.
type origin struct {
	referrer string // empty: the page of the link, on the site itself
	none     bool   // no referrer at all
	sub      string // sub1
}

var origins = map[string][]weighted[origin]{
	kitchen: {
		{62, origin{}}, {11, origin{referrer: "https://www.pinterest.com/"}}, {8, origin{none: true}}, {6, origin{none: true, sub: "newsletter"}},
		{4, origin{referrer: "https://www.google.com/"}}, {4, origin{referrer: "https://l.instagram.com/", sub: "bio"}},
		{3, origin{referrer: "https://www.youtube.com/", sub: "video"}}, {2, origin{referrer: "https://www.facebook.com/"}},
	},
	travel: {
		{34, origin{}}, {27, origin{referrer: "https://l.instagram.com/", sub: "bio"}}, {17, origin{referrer: "https://www.youtube.com/", sub: "video"}},
		{10, origin{none: true}}, {4, origin{none: true, sub: "newsletter"}}, {4, origin{referrer: "https://www.reddit.com/"}}, {4, origin{referrer: "https://www.google.com/"}},
	},
}

var viral = []weighted[origin]{{78, origin{referrer: "https://www.reddit.com/"}}, {15, origin{none: true}}, {7, origin{referrer: "https://www.reddit.com/", sub: "crosspost"}}}

// bots that come by, with the network they come from.
var bots = []weighted[crawler]{
	{34, crawler{"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "US", provider{15169, "Google"}}},
	{16, crawler{"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "US", provider{8075, "Microsoft"}}},
	{13, crawler{"Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "FR", provider{16276, "OVH"}}},
	{11, crawler{"Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)", "US", provider{209366, "Semrush"}}},
	{11, crawler{"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "IE", provider{32934, "Facebook"}}},
	{9, crawler{"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", "US", provider{8075, "Microsoft"}}},
	{6, crawler{"Pinterestbot/1.0 (+https://www.pinterest.com/bot.html)", "US", provider{14618, "Amazon"}}},
}

// crawler is a bot and the network it comes from.
type crawler struct {
	agent, country string
	provider       provider
}
