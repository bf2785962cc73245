package useragent

import "strings"

// browser is a line of the browser table: the first line whose mark is in the
// user agent names the browser.
type browser struct {
	mark     string // lower case
	name     string
	versions []string // what stands before the version, tried in order; none: the mark
	app      bool     // the browser inside an app that is not a browser
}

// Nearly every browser also claims to be the ones that it descends from, so apps
// come first, then the makes, then the engines.
var browsers = []browser{
	{mark: "instagram", name: "Instagram", versions: []string{"instagram "}, app: true},
	{mark: "barcelona ", name: "Threads", app: true},
	{mark: "fban/messenger", name: "Messenger", versions: []string{"fbav/"}, app: true},
	{mark: "fb_iab/messenger", name: "Messenger", versions: []string{"fbav/"}, app: true},
	{mark: "fb_iab/orca", name: "Messenger", versions: []string{"fbav/"}, app: true},
	{mark: "fban/", name: "Facebook", versions: []string{"fbav/"}, app: true},
	{mark: "fb_iab/", name: "Facebook", versions: []string{"fbav/"}, app: true},
	{mark: "fbav/", name: "Facebook", app: true},
	{mark: "musical_ly", name: "TikTok", versions: []string{"app_version/", "musical_ly_"}, app: true},
	{mark: "trill_", name: "TikTok", versions: []string{"app_version/"}, app: true},
	{mark: "bytedancewebview", name: "TikTok", versions: []string{"app_version/"}, app: true},
	{mark: "pinterest", name: "Pinterest", versions: []string{"pinterest/"}, app: true},
	{mark: "snapchat/", name: "Snapchat", app: true},
	{mark: "linkedinapp", name: "LinkedIn", versions: []string{"linkedinapp]/", "linkedinapp/"}, app: true},
	{mark: "twitter for iphone", name: "X", versions: []string{"twitter for iphone/"}, app: true},
	{mark: "twitter for ipad", name: "X", versions: []string{"twitter for ipad/"}, app: true},
	{mark: "twitterandroid", name: "X", versions: []string{"twitterandroid/"}, app: true},
	{mark: "micromessenger/", name: "WeChat", app: true},
	{mark: "kakaotalk", name: "KakaoTalk", versions: []string{"kakaotalk/", "kakaotalk "}, app: true},
	{mark: " line/", name: "LINE", app: true},
	{mark: "naver(", name: "NAVER", app: true},
	{mark: "telegram-android/", name: "Telegram", app: true},
	{mark: "reddit/", name: "Reddit", app: true},
	{mark: "gsa/", name: "Google App", app: true},

	{mark: "ddg/", name: "DuckDuckGo"},
	{mark: "duckduckgo/", name: "DuckDuckGo"},
	{mark: "edg/", name: "Edge"},
	{mark: "edga/", name: "Edge"},
	{mark: "edgios/", name: "Edge"},
	{mark: "edge/", name: "Edge"},
	{mark: "opera mini/", name: "Opera Mini"},
	{mark: "opr/", name: "Opera"},
	{mark: "opt/", name: "Opera"},
	{mark: "opios/", name: "Opera"},
	{mark: "opera/", name: "Opera", versions: []string{"version/", "opera/"}},
	{mark: "vivaldi/", name: "Vivaldi"},
	{mark: "yabrowser/", name: "Yandex Browser"},
	{mark: "samsungbrowser/", name: "Samsung Internet"},
	{mark: "ucbrowser/", name: "UC Browser"},
	{mark: "miuibrowser/", name: "MIUI Browser"},
	{mark: "huaweibrowser/", name: "Huawei Browser"},
	{mark: "vivobrowser/", name: "Vivo Browser"},
	{mark: "heytapbrowser/", name: "HeyTap Browser"},
	{mark: "mqqbrowser/", name: "QQ Browser"},
	{mark: "qqbrowser/", name: "QQ Browser"},
	{mark: "silk/", name: "Amazon Silk"},
	{mark: "whale/", name: "Whale"},
	{mark: "brave/", name: "Brave"},
	{mark: "puffin/", name: "Puffin"},
	{mark: "maxthon", name: "Maxthon", versions: []string{"maxthon/", "maxthon "}},
	{mark: "coc_coc_browser/", name: "Cốc Cốc"},
	{mark: "oculusbrowser/", name: "Meta Quest Browser"},
	{mark: "nintendobrowser/", name: "Nintendo Browser"},
	{mark: "palemoon/", name: "Pale Moon"},
	{mark: "seamonkey/", name: "SeaMonkey"},
	{mark: "waterfox/", name: "Waterfox"},
	{mark: "falkon/", name: "Falkon"},
	{mark: "epiphany/", name: "Epiphany"},
	{mark: "konqueror/", name: "Konqueror"},
	{mark: "electron/", name: "Electron", app: true},

	{mark: "fxios/", name: "Firefox"},
	{mark: "crios/", name: "Chrome"},
	{mark: "firefox/", name: "Firefox"},
	{mark: "; wv)", name: "Android WebView", versions: []string{"chrome/"}},
	{mark: "chromium/", name: "Chromium"},
	{mark: "chrome/", name: "Chrome"},
	{mark: "msie ", name: "Internet Explorer"},
	{mark: "trident/", name: "Internet Explorer", versions: []string{"rv:"}},
}

// foundBrowser is the answer of findBrowser.
type foundBrowser struct {
	name, version string
	app           bool
}

// findBrowser names the browser of a lower-case user agent. A bot uses engines,
// not apps: "Pinterest/0.2 (+http…)" is Pinterest's own server.
func findBrowser(folded, system string, isBot bool) foundBrowser {
	for i := range browsers {
		b := &browsers[i]
		if (b.app && isBot) || !strings.Contains(folded, b.mark) {
			continue
		}
		versions := b.versions
		if versions == nil {
			versions = []string{b.mark}
		}
		return foundBrowser{b.name, major(folded, versions), b.app}
	}
	if !strings.Contains(folded, "applewebkit/") {
		return foundBrowser{name: Unknown}
	}
	version := major(folded, []string{"version/"})
	switch {
	case version != "" && system == "Android":
		return foundBrowser{name: "Android Browser", version: version}
	case version != "" && strings.Contains(folded, "safari/"):
		return foundBrowser{name: "Safari", version: version}
	case system == "iOS" && !strings.Contains(folded, "safari/"):
		return foundBrowser{name: "iOS WebView", app: true}
	}
	return foundBrowser{name: Unknown}
}

// major returns the digits behind the first of the marks that has some.
func major(folded string, marks []string) string {
	for _, mark := range marks {
		if v := numberAfter(folded, mark, 1); v != "" {
			return v
		}
	}
	return ""
}

// numberAfter returns up to so many numbers behind any occurrence of a mark,
// joined by dots: "17_6_1" is "17.6" when two are asked for. A number of more
// than six digits is no version.
func numberAfter(folded, mark string, numbers int) string {
	for rest := folded; ; {
		at := strings.Index(rest, mark)
		if at < 0 {
			return ""
		}
		rest = rest[at+len(mark):]
		if v := leadingNumbers(rest, numbers); v != "" {
			return v
		}
	}
}

func leadingNumbers(s string, numbers int) string {
	end := 0
	for ; numbers > 0; numbers-- {
		digits := end
		if end > 0 {
			if end >= len(s) || (s[end] != '.' && s[end] != '_') {
				break
			}
			digits++
		}
		last := digits
		for last < len(s) && s[last] >= '0' && s[last] <= '9' {
			last++
		}
		if last == digits || last-digits > 6 {
			break
		}
		end = last
	}
	return strings.ReplaceAll(s[:end], "_", ".")
}
