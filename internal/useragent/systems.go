package useragent

import "strings"

// system is a line of the table of operating systems; the first whose mark is
// in the user agent names it.
type system struct {
	mark    string // lower case
	name    string
	version string // what stands before the version; "" for the mark itself
}

// Phones and sets that descend from Linux or pretend to be others come first.
var systems = []system{
	{mark: "windows phone", name: "Windows Phone", version: "windows phone "},
	{mark: "kaios", name: "KaiOS", version: "kaios/"},
	{mark: "tizen", name: "Tizen", version: "tizen "},
	{mark: "web0s", name: "webOS", version: "web0s/"},
	{mark: "webos", name: "webOS", version: "webos/"},
	{mark: "appletv", name: "tvOS", version: "tvos/"},
	{mark: "apple tv", name: "tvOS", version: "tvos/"},
	{mark: "roku/", name: "Roku", version: "roku/dvp-"},
	{mark: "playstation", name: "PlayStation", version: "playstation "},
	{mark: "nintendo", name: "Nintendo", version: "nintendo "},
	{mark: "iphone os ", name: "iOS"},
	{mark: "cpu os ", name: "iOS"},
	{mark: "iphone", name: "iOS", version: "ios "},
	{mark: "ipad", name: "iOS", version: "ios "},
	{mark: "ipod", name: "iOS", version: "ios "},
	{mark: "openharmony", name: "HarmonyOS", version: "openharmony "},
	{mark: "harmonyos", name: "HarmonyOS", version: "harmonyos "},
	{mark: "like android", name: "Linux"},
	{mark: "android", name: "Android", version: "android "},
	{mark: "cros ", name: "ChromeOS", version: "cros x86_64 "},
	{mark: "windows", name: "Windows", version: "windows nt "},
	{mark: "mac os x", name: "macOS", version: "mac os x "},
	{mark: "macintosh", name: "macOS", version: "mac os "},
	{mark: "bb10", name: "BlackBerry"},
	{mark: "blackberry", name: "BlackBerry"},
	{mark: "freebsd", name: "FreeBSD"},
	{mark: "openbsd", name: "OpenBSD"},
	{mark: "netbsd", name: "NetBSD"},
	{mark: "linux", name: "Linux"},
	{mark: "x11", name: "Linux"},
}

// windowsNames are what people call the versions of Windows NT. Windows 11 calls
// itself 10.0.
var windowsNames = map[string]string{
	"10.0": "10", "6.3": "8.1", "6.2": "8", "6.1": "7", "6.0": "Vista", "5.2": "XP", "5.1": "XP", "5.0": "2000",
}

// versionless are systems whose number, where one follows the mark, is not
// theirs: the kernel or processor, or a place in a list.
var versionless = set("Linux BlackBerry FreeBSD OpenBSD NetBSD")

// findSystem names the operating system of a lower-case user agent.
func findSystem(folded string) (name, version string) {
	for i := range systems {
		s := &systems[i]
		if !strings.Contains(folded, s.mark) {
			continue
		}
		if versionless[s.name] {
			return s.name, ""
		}
		before := s.version
		if before == "" {
			before = s.mark
		}
		version = numberAfter(folded, before, 2)
		if s.name == "Windows" {
			version = windowsNames[version]
		}
		return s.name, version
	}
	return Unknown, ""
}
