package useragent

import (
	"strings"

	"github.com/x-way/crawlerdetect"
)

// Agent is what a user agent claims. Names come from closed lists, so that a
// report has as many browsers as there are browsers; what is on no list is
// Unknown. Only Bot may carry a name that a stranger chose.
type Agent struct {
	Browser        string // "Chrome", "Instagram", …; never empty
	BrowserVersion string // major version, digits; "" when not told
	OS             string // "Windows", "iOS", …; never empty
	OSVersion      string // major, or major and minor as in "17.6"; "" when not told
	Device         Device // what Class says without a hint
	DeviceHinted   Device // what Class says with the hint "?1"
	Bot            string // name of the program; "" when a person steers
	BotClass       string // one of the BotClass constants; "" when Bot is
}

// Unknown is the browser or system of a user agent that names none we know.
const Unknown = "Other"

// What bots are for.
const (
	BotSearch  = "search"  // indexes pages for people who search
	BotPreview = "preview" // shows a link in a chat or post before a person opens it
	BotMonitor = "monitor" // checks that something works
	BotTool    = "tool"    // a library or command-line program
	BotAI      = "ai"      // gathers text for language models and their assistants
	BotSEO     = "seo"     // measures pages and links for marketers
	BotOther   = "other"
)

// Options bound what a Parser keeps. A zero means the default.
type Options struct {
	EntriesMax int // distinct user agents; default 20,000
	BytesMax   int // memory for them, estimated; default 16 MiB
}

// Parser reads user agents and remembers what it read. It may be used by any
// number of goroutines.
type Parser struct{ cache *cache }

// NewParser returns a Parser with an empty memory.
func NewParser(o Options) *Parser {
	if o.EntriesMax <= 0 {
		o.EntriesMax = 20_000
	}
	if o.BytesMax <= 0 {
		o.BytesMax = 16 << 20
	}
	return &Parser{cache: newCache(o.EntriesMax, o.BytesMax)}
}

// Parse reads a User-Agent header, of which the first 1024 bytes count. The
// result does not hold on to ua.
func (p *Parser) Parse(ua string) Agent {
	if len(ua) > bytesMax {
		ua = ua[:bytesMax]
	}
	if agent, ok := p.cache.find(ua); ok {
		return agent
	}
	ua = strings.Clone(ua) // the caller's may be a piece of something large
	agent := parse(ua)
	p.cache.add(ua, agent)
	return agent
}

// parse reads without remembering.
func parse(ua string) Agent {
	folded := strings.ToLower(ua)
	a := Agent{Device: Class(ua, ""), DeviceHinted: Class(ua, "?1")}
	a.OS, a.OSVersion = findSystem(folded)
	found := findBrowser(folded, a.OS, a.Device == Bot)
	a.Browser, a.BrowserVersion = found.name, found.version
	if a.Device == Bot || (!found.app && !plain(folded) && crawlerdetect.IsCrawler(ua)) {
		a.Bot, a.BotClass = findBot(ua, folded)
	}
	return a
}

// plain reports whether a user agent consists of what browsers say and nothing
// else. The list of crawlers costs more than a hundred times all the rest, so
// it is asked only about strangers. It counts OkHttp as a crawler; here that is
// an Android app whose maker gave it no name.
func plain(folded string) bool {
	if strings.HasPrefix(folded, "okhttp/") {
		return true
	}
	if strings.Contains(folded, "compatible") || strings.Count(folded, "(") > 1+strings.Count(folded, " (khtml, like gecko)") {
		return false // a remark in brackets that browsers do not make
	}
	depth, start := 0, -1
	for i := 0; i <= len(folded); i++ {
		c := byte(' ')
		if i < len(folded) {
			c = folded[i]
		}
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth > 0:
		case c == ' ' || c == '/':
			if start >= 0 && !plainProducts[folded[start:i]] {
				return false
			}
			start = -1
			if c == '/' { // the version, up to the next space
				for i+1 < len(folded) && folded[i+1] != ' ' {
					i++
				}
			}
		case start < 0:
			start = i
		}
	}
	return depth == 0 && strings.HasPrefix(folded, "mozilla/5.0 (")
}

var plainProducts = set("mozilla applewebkit gecko like chrome mobile safari version firefox crios fxios edg edga edgios opr samsungbrowser ddg duckduckgo vivaldi yabrowser")

func set(words string) map[string]bool {
	all := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		all[w] = true
	}
	return all
}
