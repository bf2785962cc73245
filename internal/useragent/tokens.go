package useragent

// flag is what a token says of the program or device that names itself so.
type flag uint8

const (
	bot  flag = 1 << iota
	tool      // a bot in people's hands: what it fetches may have been asked for
	tv
	tablet
	phone
	android
	desktop

	innocent flag = 0
)

// place limits where a token fits.
type place uint8

const (
	startOfWord place = 1 << iota // the byte before is not a letter
	endOfWord                     // the byte after is not a letter
	first                         // nothing is before it

	inside place = 0
	word         = startOfWord | endOfWord
)

type token struct {
	text  string // lower case
	where place
	flag  flag
}

// tokens is the table that Class walks with; its order matters only between
// tokens that begin alike, where the longer stands above the shorter.
var tokens = []token{
	// Innocent words that hold a token: phones of these makes and models, Internet
	// Explorer on Windows laptops with a pen, and Java's place on feature phones.
	{"cubot", startOfWord, innocent},
	{"idbot", startOfWord, innocent},
	{"; m bot", inside, innocent},
	{"; b bot", inside, innocent},
	{"; id bot", inside, innocent},
	{"; power bot", inside, innocent},
	{"htc_bot", startOfWord, innocent},
	{"tablet pc", startOfWord, innocent},
	{"http://bsalsa.com", inside, innocent}, // in Internet Explorer inside old Delphi programs
	{"http://www.bsalsa.com", inside, innocent},

	// Bots by the words that they call themselves.
	{"bot", endOfWord, bot},
	{"bots", endOfWord, bot},
	{"crawler", inside, bot},
	{"crawling", inside, bot},
	{"crawl", endOfWord, bot},
	{"spider", inside, bot},
	{"slurp", word, bot},
	{"scraper", inside, bot},
	{"scrapy", startOfWord, bot},
	{"fetcher", inside, bot},
	{"archiver", inside, bot},
	{"validator", inside, bot},
	{"http://", inside, bot}, // the address of a page about the bot
	{"https://", inside, bot},
	{"checker", inside, bot},
	{"indexer", inside, bot},
	{"analyzer", inside, bot},
	{"monitor", inside, bot},
	{"sitemap", inside, bot},
	{"generator", endOfWord, bot},
	{"screenshot", inside, bot},
	{"survey", inside, bot},
	{"larbin", inside, bot},

	// Browsers that a program steers.
	{"headlesschrome", inside, bot},
	{"headless", startOfWord, bot},
	{"phantomjs", inside, bot},
	{"puppeteer", inside, bot},
	{"playwright", inside, bot},
	{"selenium", inside, bot},
	{"electron-fetch", startOfWord, bot},
	{"lighthouse", inside, bot},
	{"page speed", inside, bot},
	{"pagespeed", inside, bot},
	{"gtmetrix", inside, bot},
	{"ptst", word, bot},

	// Command-line tools and libraries.
	{"curl/", startOfWord, tool},
	{"libcurl", startOfWord, tool},
	{"pycurl", startOfWord, tool},
	{"wget", startOfWord, tool},
	{"httpie", startOfWord, tool},
	{"python", first, tool},
	{"python-", startOfWord, tool},
	{"python/", startOfWord, tool},
	{"aiohttp", startOfWord, tool},
	{"go-http-client", startOfWord, tool},
	{"go http package", startOfWord, tool},
	{"java/", first, tool},
	{"apache-httpclient", startOfWord, tool},
	{"httpclient", inside, tool},
	{"http_request", startOfWord, tool},
	{"libwww", inside, tool},
	{"lwp::", startOfWord, tool},
	{"lwp-", startOfWord, tool},
	{"ruby", first, tool},
	{"http.rb", startOfWord, tool},
	{"faraday", startOfWord, tool},
	{"php/", first, tool},
	{"guzzle", inside, tool},
	{"node-fetch", startOfWord, tool},
	{"node.js", first, tool},
	{"node", first | endOfWord, tool},
	{"undici", startOfWord, tool},
	{"axios/", startOfWord, tool},
	{"got (", first, tool},
	{"superagent", startOfWord, tool},
	{"postmanruntime", startOfWord, tool},
	{"insomnia/", startOfWord, tool},
	{"reqwest", startOfWord, tool},
	{"deno/", first, tool},
	{"bun/", first, tool},
	{"ahc/", startOfWord, tool},
	{"winhttp", startOfWord, tool},
	{"powershell", inside, tool},
	{"restsharp", startOfWord, tool},
	{"masscan", startOfWord, bot},
	{"zgrab", startOfWord, bot},
	{"nmap", startOfWord, bot},
	{"nikto", startOfWord, bot},
	{"sqlmap", startOfWord, bot},
	{"nuclei", startOfWord, bot},

	// Monitors.
	{"pingdom", startOfWord, bot},
	{"statuscake", startOfWord, bot},
	{"site24x7", startOfWord, bot},
	{"newrelicpinger", startOfWord, bot},
	{"datadog", startOfWord, bot},
	{"better uptime", startOfWord, bot},
	{"uptime-kuma", startOfWord, bot},
	{"uptime", startOfWord | endOfWord, bot},
	{"checkly", startOfWord, bot},
	{"catchpoint", startOfWord, bot},
	{"hetrixtools", startOfWord, bot},
	{"check_http", startOfWord, bot},
	{"zabbix", startOfWord, bot},
	{"prometheus/", startOfWord, bot},
	{"blackbox", first, bot},
	{"kube-probe", startOfWord, bot},
	{"elb-healthchecker", startOfWord, bot},
	{"googlehc/", startOfWord, bot},
	{"amazon-route53", startOfWord, bot},

	// Previews of links in chats and feeds.
	{"facebookexternalhit", startOfWord, bot},
	{"facebookcatalog", startOfWord, bot},
	{"facebookexternalua", startOfWord, bot},
	{"meta-externalagent", startOfWord, bot},
	{"meta-externalads", startOfWord, bot},
	{"whatsapp/", startOfWord, bot},
	{"skypeuripreview", startOfWord, bot},
	{"slack-imgproxy", startOfWord, bot},
	{"vkshare", startOfWord, bot},
	{"viber/", first, bot},
	{"iframely", startOfWord, bot},
	{"embedly", startOfWord, bot},
	{"bingpreview", startOfWord, bot},
	{"microsoftpreview", startOfWord, bot},
	{"url preview", inside, bot},
	{"web preview", inside, bot},
	{"link preview", inside, bot},
	{"wordpress", startOfWord, bot},
	{"mastodon/", startOfWord, bot},
	{"misskey/", startOfWord, bot},
	{"pleroma", startOfWord, bot},
	{"feedly", startOfWord, bot},
	{"feedbin", startOfWord, bot},
	{"newsblur", startOfWord, bot},
	{"inoreader", startOfWord, bot},
	{"google-safety", startOfWord, bot},
	{"google-read-aloud", startOfWord, bot},
	{"google-inspectiontool", startOfWord, bot},
	{"google-site-verification", startOfWord, bot},
	{"google-adwords", startOfWord, bot},
	{"google favicon", startOfWord, bot},
	{"googleother", startOfWord, bot},
	{"googleimageproxy", startOfWord, bot},
	{"apis-google", startOfWord, bot},
	{"adsbot-google", startOfWord, bot},
	{"storebot-google", startOfWord, bot},
	{"duplexweb-google", startOfWord, bot},
	{"mediapartners", startOfWord, bot},
	{"yahoo! slurp", startOfWord, bot},
	{"yahoomailproxy", startOfWord, bot},
	{"ia_archiver", startOfWord, bot},
	{"heritrix", startOfWord, bot},
	{"nutch", startOfWord, bot},
	{"screaming frog", startOfWord, bot},
	{"sistrix", startOfWord, bot},
	{"ahrefssiteaudit", startOfWord, bot},
	{"barkrowler", startOfWord, bot},
	{"yandexmetrika", startOfWord, bot},
	{"yandeximages", startOfWord, bot},
	{"qwantify", startOfWord, bot},
	{"yeti/", startOfWord, bot},
	{"daum", startOfWord, bot},
	{"chatgpt-user", startOfWord, bot},
	{"claude-user", startOfWord, bot},
	{"claude-web", startOfWord, bot},
	{"anthropic-ai", startOfWord, bot},
	{"perplexity-user", startOfWord, bot},
	{"mistralai-user", startOfWord, bot},
	{"cohere-ai", startOfWord, bot},
	{"gemini-deep-research", startOfWord, bot},
	{"google-cloudvertexbot", startOfWord, bot},

	// Television sets, boxes and consoles.
	{"smart-tv", inside, tv},
	{"smarttv", inside, tv},
	{"smart tv", inside, tv},
	{"googletv", inside, tv},
	{"google tv", inside, tv},
	{"android tv", startOfWord, tv},
	{"androidtv", startOfWord, tv},
	{"apple tv", startOfWord, tv},
	{"appletv", startOfWord, tv},
	{"tvos", startOfWord, tv},
	{"hbbtv", startOfWord, tv},
	{"ce-html", startOfWord, tv},
	{"netcast", startOfWord, tv},
	{"web0s", startOfWord, tv},
	{"webos.tv", startOfWord, tv},
	{"roku", startOfWord, tv},
	{"crkey", startOfWord, tv},
	{"chromecast", startOfWord, tv},
	{"bravia", startOfWord, tv},
	{"viera", startOfWord, tv},
	{"mitv", startOfWord, tv},
	{"mibox", startOfWord, tv},
	{"; aft", inside, tv}, // Amazon Fire TV: AFTS, AFTMM, AFTKA
	{"vidaa", startOfWord, tv},
	{"smartcast", startOfWord, tv},
	{"nettv", startOfWord, tv},
	{"philipstv", startOfWord, tv},
	{"sonydtv", startOfWord, tv},
	{"opera tv", startOfWord, tv},
	{"inettvbrowser", startOfWord, tv},
	{"playstation vita", startOfWord, phone},
	{"playstation portable", startOfWord, phone},
	{"playstation", startOfWord, tv},
	{"xbox", startOfWord, tv},
	{"nintendo 3ds", startOfWord, phone},
	{"nintendo", startOfWord, tv},

	// Tablets. Most Android tablets need no line here: see rule e.
	{"ipad", startOfWord, tablet},
	{"tablet", inside, tablet},
	{"kindle", startOfWord, tablet},
	{"silk/", startOfWord, tablet},
	{"playbook", startOfWord, tablet},
	{"sm-t", startOfWord, tablet},
	{"sm-x", startOfWord, tablet},
	{"gt-p", startOfWord, tablet},
	{"nexus 7", startOfWord, tablet},
	{"nexus 9", startOfWord, tablet},
	{"nexus 10", startOfWord, tablet},
	{"mediapad", startOfWord, tablet},
	{"matepad", startOfWord, tablet},
	{"redmi pad", startOfWord, tablet},
	{"mi pad", startOfWord, tablet},
	{"lenovo tb", startOfWord, tablet},
	{"lenovo tab", startOfWord, tablet},
	{"xoom", startOfWord, tablet},

	// Phones and what else fits a hand.
	{"iphone", startOfWord, phone},
	{"ipod", startOfWord, phone},
	{"mobile", startOfWord, phone},
	{"mobi", word, phone},
	{"windows phone", startOfWord, phone},
	{"windows ce", startOfWord, phone},
	{"opera mini", startOfWord, phone},
	{"opera mobi", startOfWord, phone},
	{"ucweb", startOfWord, phone},
	{"ucbrowser", startOfWord, phone},
	{"dalvik/", startOfWord, phone},
	{"blackberry", startOfWord, phone},
	{"bb10", startOfWord, phone},
	{"kaios", startOfWord, phone},
	{"symbian", startOfWord, phone},
	{"series60", startOfWord, phone},
	{"series40", startOfWord, phone},
	{"s60/", startOfWord, phone},
	{"midp", startOfWord, phone},
	{"nokia", startOfWord, phone},
	{"sonyericsson", startOfWord, phone},
	{"palmos", startOfWord, phone},

	{"android", inside, android},

	// Desktop systems.
	{"windows", startOfWord, desktop},
	{"macintosh", startOfWord, desktop},
	{"mac os x", startOfWord, desktop},
	{"mac_powerpc", startOfWord, desktop},
	{"x11", startOfWord, desktop},
	{"cros", word, desktop},
	{"linux", startOfWord, desktop},
	{"ubuntu", startOfWord, desktop},
	{"freebsd", startOfWord, desktop},
	{"openbsd", startOfWord, desktop},
	{"netbsd", startOfWord, desktop},
	{"sunos", startOfWord, desktop},
}

// tokenList is the table prepared for the walk: the tokens by the two bytes that
// they begin with. Nearly every byte of a user agent begins none.
type tokenList struct {
	groupOf [128][128]uint8 // per pair of bytes, which group; 0 is the empty one
	groups  [][]token       // each in the order of the table
}

// The tokens that fit where a word starts, which is all of them, and those that
// also fit inside one.
var wordStart, insideWord = prepare(tokens)

// fold is ASCII lower case; bytes beyond ASCII become 0, which no token holds.
var fold = func() (table [256]byte) {
	for c := range 128 {
		table[c] = byte(c)
		if c >= 'A' && c <= 'Z' {
			table[c] = byte(c) + 'a' - 'A'
		}
	}
	return table
}()

func prepare(all []token) (start, inside tokenList) {
	for _, t := range all {
		start.add(t)
		if t.where&(startOfWord|first) == 0 {
			inside.add(t)
		}
	}
	return start, inside
}

func (l *tokenList) add(t token) {
	group := &l.groupOf[t.text[0]][t.text[1]]
	if *group == 0 {
		l.groups = append(l.groups, nil)
		if len(l.groups) == 1 {
			l.groups = append(l.groups, nil)
		}
		if len(l.groups) > 256 {
			panic("BUG: the tokens begin in more than 255 ways")
		}
		*group = uint8(len(l.groups) - 1)
	}
	l.groups[*group] = append(l.groups[*group], t)
}

// take returns the first token of a group that fits at a byte, or nil.
func (l *tokenList) take(ua string, at int, group uint8) *token {
	tokens := l.groups[group]
	for k := range tokens {
		if t := &tokens[k]; t.fits(ua, at) {
			return t
		}
	}
	return nil
}
