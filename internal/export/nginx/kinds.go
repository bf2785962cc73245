package nginx

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// What an export answers otherwise than Sluice, by the names of export.Shortfall.What.
const (
	weights      = "weights"
	deepLinks    = "deep_link"
	unicodeNames = "unicode_name"
	refused      = "refused"
)

// Kind is one thing that nginx answers otherwise than Sluice.
type Kind struct {
	What        string
	Consequence string
	PerLink     bool // reported with each link that it concerns
	// Concerns says whether the answer to a visit may differ because of it. The link is nil when none has that name.
	Concerns func(l *affiliate.Link, v *affiliate.Visit) bool
}

// Kinds lists all that nginx answers otherwise.
func Kinds() []Kind {
	return []Kind{
		{weights, "nginx's own hash shares the visitors", true, func(l *affiliate.Link, _ *affiliate.Visit) bool { return l != nil && shares(l) }},
		{deepLinks, "?url= is followed only into a network's parameter, encoded as encodeURIComponent does", true, func(l *affiliate.Link, v *affiliate.Visit) bool {
			page, _ := affiliate.QueryValue(v.Query, "url")
			return l != nil && l.DeepLink && page != ""
		}},
		{unicodeNames, "a name in letters beyond ASCII is found in its usual spellings only", false, func(_ *affiliate.Link, v *affiliate.Visit) bool {
			return !isASCII(affiliate.UnescapePath(v.Path))
		}},
		{"path", "nginx resolves . and .. in a path, and answers 400 to a broken escape and to %00", false, func(_ *affiliate.Link, v *affiliate.Visit) bool {
			return oddPath.MatchString(v.Path) || brokenEscape.MatchString(v.Path)
		}},
		{"outside", "the root of a host, and every path outside the prefixes, is left to the rest of the configuration, and not logged", false,
			func(l *affiliate.Link, v *affiliate.Visit) bool {
				return l == nil && strings.Trim(v.Path, "/") == ""
			}},
		{"verdict", "only declared bots are answered otherwise; no verdict blocks a visit", false, func(_ *affiliate.Link, v *affiliate.Visit) bool {
			return v.Action == affiliate.Block
		}},
		{"device", "the class of a device is never unknown, but at worst other", false, func(l *affiliate.Link, v *affiliate.Visit) bool {
			return l != nil && v.Device == affiliate.DeviceUnknown && looksAt(l, "device")
		}},
		{"country", "a country in small letters is taken in capitals", false, func(l *affiliate.Link, v *affiliate.Visit) bool {
			return l != nil && v.Country != strings.ToUpper(v.Country) && looksAt(l, "country")
		}},
		{"language", "of an Accept-Language header without a tag of weight 1, weights count in tenths", false, func(_ *affiliate.Link, v *affiliate.Visit) bool {
			return fineWeight.MatchString(v.Language)
		}},
		{"referrer_host", "a referrer's host in capitals or with other characters than letters, digits, - . _ is left out of URLs", false,
			func(_ *affiliate.Link, v *affiliate.Visit) bool {
				return v.Referrer != "" && !plainReferrer.MatchString(v.Referrer)
			}},
		{"query", "parameters are handed on from queries of up to 1365 bytes, at most 8 are left out, and none whose value would have to be encoded", false,
			func(l *affiliate.Link, v *affiliate.Visit) bool {
				return l != nil && l.Query.Mode != affiliate.QueryDrop && (len(v.Query) > handedOnBytesMax || strings.Count(v.Query, "&") >= handedOnDropsMax || encodable.MatchString(v.Query))
			}},
		{"partner", "a partner's code with percent-encoded characters is unknown", false, func(l *affiliate.Link, v *affiliate.Visit) bool {
			return l != nil && l.Program != "" && strings.ContainsAny(v.Query, "%+")
		}},
		{"values", "a value of the visit is put into a URL as it was sent where that means the same, and left out otherwise or when it is longer than 256 bytes as sent", false,
			func(l *affiliate.Link, v *affiliate.Visit) bool {
				return l != nil && !plainValues(l, v.Query)
			}},
	}
}

var (
	oddPath       = regexp.MustCompile(`(?i)(?:^|/|%2f)(?:\.|%2e){1,2}(?:/|%2f|$)|%00`)
	brokenEscape  = regexp.MustCompile(`%(?:[^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)`)
	fineWeight    = regexp.MustCompile(`(?i)q=[0-9]*\.[0-9]*[1-9][0-9]*[0-9]`)
	plainReferrer = regexp.MustCompile(`^[a-z]+://[a-z0-9._-]+(?:[/?#]|$)`)
	encodable     = regexp.MustCompile("[\\x00-\\x20\\x7f-\\xff\"<>\\\\^`{|}#]")
	sameRawValue  = regexp.MustCompile("^" + sameRawByte + "*$")
	sameValue     = regexp.MustCompile("^" + sameByte + "*$")
)

// plainValues says that every value of a query is the same decoded and encoded again, as the link does it.
func plainValues(l *affiliate.Link, query string) bool {
	b, _ := json.Marshal(l) // it came from JSON
	raw := strings.Contains(string(b), "{raw:")
	for _, pair := range strings.Split(query, "&") {
		if _, v, _ := strings.Cut(pair, "="); !sameValue.MatchString(v) || raw && !sameRawValue.MatchString(v) || len(v) > 256 {
			return false
		}
	}
	return true
}

// looksAt says that a link's answer depends on a fact, in a condition or by a macro.
func looksAt(l *affiliate.Link, fact string) bool {
	b, _ := json.Marshal(l) // it came from JSON
	return strings.Contains(string(b), `"on":"`+fact+`"`) || strings.Contains(string(b), fact+"}")
}

// shares says that visitors of a link are shared out.
func shares(l *affiliate.Link) bool {
	if len(l.Destinations) > 1 {
		return true
	}
	for i := range l.Rules {
		if len(l.Rules[i].Destinations) > 1 {
			return true
		}
	}
	return false
}

// noteBeyond reports what a link has that nginx cannot do.
func (w *writer) noteBeyond(l *affiliate.Link) {
	if l.DeepLink {
		w.short(l, "", deepLinks, "?url= is followed where the network has a parameter for the page and it is sent encoded as encodeURIComponent does; else the visitor gets the link's own destination")
	}
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
