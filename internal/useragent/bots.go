package useragent

import "strings"

// knownBot is a line of the table of bots; the first whose mark is in the user
// agent names it.
type knownBot struct{ mark, name, class string }

// What a bot is outranks what it is made with: libraries come last.
var knownBots = []knownBot{
	{"adsbot-google", "AdsBot-Google", BotSearch},
	{"googlebot-image", "Googlebot-Image", BotSearch},
	{"googlebot-video", "Googlebot-Video", BotSearch},
	{"googlebot-news", "Googlebot-News", BotSearch},
	{"googlebot", "Googlebot", BotSearch},
	{"storebot-google", "Storebot-Google", BotSearch},
	{"google-inspectiontool", "Google-InspectionTool", BotSearch},
	{"googleother", "GoogleOther", BotSearch},
	{"apis-google", "APIs-Google", BotSearch},
	{"mediapartners-google", "Mediapartners-Google", BotSearch},
	{"google-cloudvertexbot", "Google-CloudVertexBot", BotAI},
	{"bingpreview", "BingPreview", BotPreview},
	{"bingbot", "bingbot", BotSearch},
	{"adidxbot", "adidxbot", BotSearch},
	{"msnbot", "msnbot", BotSearch},
	{"yandexmetrika", "YandexMetrika", BotMonitor},
	{"yandeximages", "YandexImages", BotSearch},
	{"yandexmobilebot", "YandexMobileBot", BotSearch},
	{"yandexbot", "YandexBot", BotSearch},
	{"baiduspider", "Baiduspider", BotSearch},
	{"sogou", "Sogou", BotSearch},
	{"360spider", "360Spider", BotSearch},
	{"slurp", "Yahoo! Slurp", BotSearch},
	{"duckassistbot", "DuckAssistBot", BotAI},
	{"duckduckbot", "DuckDuckBot", BotSearch},
	{"applebot", "Applebot", BotSearch},
	{"petalbot", "PetalBot", BotSearch},
	{"seznambot", "SeznamBot", BotSearch},
	{"qwantbot", "Qwantbot", BotSearch},
	{"qwantify", "Qwantify", BotSearch},
	{"mojeekbot", "MojeekBot", BotSearch},
	{"coccocbot", "coccocbot", BotSearch},
	{"yeti/", "Yeti", BotSearch},
	{"daum", "Daum", BotSearch},
	{"ia_archiver", "ia_archiver", BotOther},
	{"archive.org_bot", "archive.org_bot", BotOther},

	{"oai-searchbot", "OAI-SearchBot", BotAI},
	{"chatgpt-user", "ChatGPT-User", BotAI},
	{"gptbot", "GPTBot", BotAI},
	{"claude-searchbot", "Claude-SearchBot", BotAI},
	{"claude-user", "Claude-User", BotAI},
	{"claude-web", "Claude-Web", BotAI},
	{"claudebot", "ClaudeBot", BotAI},
	{"anthropic-ai", "anthropic-ai", BotAI},
	{"perplexity-user", "Perplexity-User", BotAI},
	{"perplexitybot", "PerplexityBot", BotAI},
	{"mistralai-user", "MistralAI-User", BotAI},
	{"cohere-ai", "cohere-ai", BotAI},
	{"meta-externalagent", "meta-externalagent", BotAI},
	{"amazonbot", "Amazonbot", BotAI},
	{"bytespider", "Bytespider", BotAI},
	{"ccbot", "CCBot", BotAI},
	{"diffbot", "Diffbot", BotAI},
	{"youbot", "YouBot", BotAI},
	{"timpibot", "Timpibot", BotAI},

	{"ahrefssiteaudit", "AhrefsSiteAudit", BotSEO},
	{"ahrefsbot", "AhrefsBot", BotSEO},
	{"semrushbot", "SemrushBot", BotSEO},
	{"siteauditbot", "SiteAuditBot", BotSEO},
	{"mj12bot", "MJ12bot", BotSEO},
	{"dotbot", "DotBot", BotSEO},
	{"rogerbot", "rogerbot", BotSEO},
	{"blexbot", "BLEXBot", BotSEO},
	{"dataforseobot", "DataForSeoBot", BotSEO},
	{"serpstatbot", "serpstatbot", BotSEO},
	{"barkrowler", "Barkrowler", BotSEO},
	{"sistrix", "SISTRIX", BotSEO},
	{"screaming frog", "Screaming Frog SEO Spider", BotSEO},
	{"seokicks", "SEOkicks", BotSEO},

	{"uptimerobot", "UptimeRobot", BotMonitor},
	{"pingdom", "Pingdom", BotMonitor},
	{"statuscake", "StatusCake", BotMonitor},
	{"site24x7", "Site24x7", BotMonitor},
	{"newrelicpinger", "NewRelicPinger", BotMonitor},
	{"datadog", "Datadog", BotMonitor},
	{"better uptime", "Better Uptime", BotMonitor},
	{"uptime-kuma", "Uptime-Kuma", BotMonitor},
	{"checkly", "Checkly", BotMonitor},
	{"catchpoint", "Catchpoint", BotMonitor},
	{"hetrixtools", "HetrixTools", BotMonitor},
	{"lighthouse", "Lighthouse", BotMonitor},
	{"gtmetrix", "GTmetrix", BotMonitor},
	{"ptst", "WebPageTest", BotMonitor},
	{"check_http", "check_http", BotMonitor},
	{"zabbix", "Zabbix", BotMonitor},
	{"prometheus/", "Prometheus", BotMonitor},
	{"blackbox", "Blackbox Exporter", BotMonitor},
	{"kube-probe", "kube-probe", BotMonitor},
	{"elb-healthchecker", "ELB-HealthChecker", BotMonitor},
	{"googlehc/", "GoogleHC", BotMonitor},
	{"amazon-route53", "Amazon-Route53", BotMonitor},

	{"facebookexternalhit", "facebookexternalhit", BotPreview},
	{"facebookcatalog", "facebookcatalog", BotPreview},
	{"meta-externalfetcher", "meta-externalfetcher", BotPreview},
	{"whatsapp/", "WhatsApp", BotPreview},
	{"telegrambot", "TelegramBot", BotPreview},
	{"slackbot", "Slackbot", BotPreview},
	{"slack-imgproxy", "Slack-ImgProxy", BotPreview},
	{"discordbot", "Discordbot", BotPreview},
	{"twitterbot", "Twitterbot", BotPreview},
	{"linkedinbot", "LinkedInBot", BotPreview},
	{"pinterest", "Pinterestbot", BotPreview},
	{"redditbot", "redditbot", BotPreview},
	{"skypeuripreview", "SkypeUriPreview", BotPreview},
	{"microsoftpreview", "MicrosoftPreview", BotPreview},
	{"vkshare", "vkShare", BotPreview},
	{"viber/", "Viber", BotPreview},
	{"iframely", "Iframely", BotPreview},
	{"embedly", "Embedly", BotPreview},
	{"snap url preview", "Snap URL Preview", BotPreview},
	{"mastodon/", "Mastodon", BotPreview},
	{"misskey/", "Misskey", BotPreview},
	{"pleroma", "Pleroma", BotPreview},
	{"googleimageproxy", "GoogleImageProxy", BotPreview},

	{"feedly", "Feedly", BotOther},
	{"feedfetcher-google", "FeedFetcher-Google", BotOther},
	{"feedbin", "Feedbin", BotOther},
	{"newsblur", "NewsBlur", BotOther},
	{"inoreader", "Inoreader", BotOther},
	{"wordpress", "WordPress", BotOther},

	{"headlesschrome", "HeadlessChrome", BotTool},
	{"phantomjs", "PhantomJS", BotTool},
	{"puppeteer", "Puppeteer", BotTool},
	{"playwright", "Playwright", BotTool},
	{"selenium", "Selenium", BotTool},
	{"python-requests", "python-requests", BotTool},
	{"python-urllib", "Python-urllib", BotTool},
	{"python-httpx", "python-httpx", BotTool},
	{"aiohttp", "aiohttp", BotTool},
	{"scrapy", "Scrapy", BotTool},
	{"go-http-client", "Go-http-client", BotTool},
	{"apache-httpclient", "Apache-HttpClient", BotTool},
	{"java/", "Java", BotTool},
	{"node-fetch", "node-fetch", BotTool},
	{"axios/", "axios", BotTool},
	{"undici", "undici", BotTool},
	{"postmanruntime", "PostmanRuntime", BotTool},
	{"insomnia/", "Insomnia", BotTool},
	{"guzzle", "Guzzle", BotTool},
	{"libwww", "libwww", BotTool},
	{"http.rb", "http.rb", BotTool},
	{"faraday", "Faraday", BotTool},
	{"reqwest", "reqwest", BotTool},
	{"powershell", "PowerShell", BotTool},
	{"winhttp", "WinHTTP", BotTool},
	{"httpie", "HTTPie", BotTool},
	{"wget", "Wget", BotTool},
	{"curl", "curl", BotTool},
	{"python", "Python", BotTool},
}

// botNameBytesMax bounds a name that a stranger chose.
const botNameBytesMax = 64

// findBot names a bot. One on no list goes by the word that gave it away, or
// else by the name it gives after "compatible" or at the start.
func findBot(ua, folded string) (name, class string) {
	for i := range knownBots {
		if strings.Contains(folded, knownBots[i].mark) {
			return knownBots[i].name, knownBots[i].class
		}
	}
	if folded == "node" || folded == "node.js" {
		return "node", BotTool
	}
	return strangeBot(ua, folded), BotOther
}

func strangeBot(ua, folded string) string {
	if len(folded) != len(ua) { // folding letters beyond ASCII may move bytes
		return Unknown
	}
	for _, mark := range []string{"bot", "crawler", "spider"} {
		if name := namedBy(ua, folded, mark); name != "" {
			return clip(name)
		}
	}
	if at := strings.Index(folded, "compatible;"); at >= 0 {
		if name := firstName(ua[at+len("compatible;"):]); name != "" && !strings.HasPrefix(name, "MSIE") {
			return clip(name)
		}
	}
	if name := firstName(ua); name != "" && name != "Mozilla" {
		return clip(name)
	}
	return Unknown
}

// namedBy returns the first name with a mark in it that is not part of an
// address, as in "http://example.com/bot.html" or "bot@example.com".
func namedBy(ua, folded, mark string) string {
	for from := 0; ; {
		at := strings.Index(folded[from:], mark)
		if at < 0 {
			return ""
		}
		at += from
		before := strings.LastIndexAny(ua[:at], " ;(,")
		piece := ua[before+1:]
		if end := strings.IndexAny(piece, " ;),"); end >= 0 {
			piece = piece[:end]
		}
		if !strings.Contains(piece, "//") && !strings.Contains(piece, "@") && !strings.Contains(piece, "www.") {
			return wordAround(ua, at)
		}
		from = at + len(mark)
	}
}

// wordAround returns the name that a byte is part of.
func wordAround(s string, at int) string {
	from, to := at, at
	for from > 0 && nameByte(s[from-1]) {
		from--
	}
	for to < len(s) && nameByte(s[to]) {
		to++
	}
	return strings.Trim(s[from:to], "-._")
}

// firstName returns the name that a piece of a user agent starts with.
func firstName(s string) string {
	s = strings.TrimLeft(s, " +")
	to := 0
	for to < len(s) && nameByte(s[to]) {
		to++
	}
	return strings.Trim(s[:to], "-._")
}

func nameByte(c byte) bool {
	return letter(fold[c]) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'
}

func clip(name string) string {
	if name == "" {
		return Unknown
	}
	return name[:min(len(name), botNameBytesMax)]
}
