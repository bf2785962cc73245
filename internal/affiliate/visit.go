package affiliate

import "unsafe"

// Visit is one request for a managed name, with all that a decision may depend
// on. Host, Path and Query are as the visitor sent them, still percent-encoded.
type Visit struct {
	Host  string // may carry a port
	Path  string
	Query string // without "?"

	// Time in Unix milliseconds.
	Time int64
	// ClickID that the visit will have if it is followed.
	ClickID string
	// Visitor is the key that keeps the visitor's variants: the id in the
	// cookie, or what stands in for it.
	Visitor   string
	Returning bool
	// Action is what the verdict on the visit demands.
	Action Action

	Language  string // the Accept-Language header
	Referrer  string // the Referer header
	Country   string // ISO 3166-1 alpha-2, or ""
	Device    Device
	Knowledge Knowledge // asked when Country or Device is needed and not known
}

// Knowledge finds facts that only some links ask for, so that the others do not
// pay for them.
type Knowledge interface {
	Country() string
	Device() Device
}

// CountryCode returns the visitor's country, finding it out at the first call.
func (v *Visit) CountryCode() string {
	if v.Country == "" && v.Knowledge != nil {
		v.Country = v.Knowledge.Country()
	}
	return v.Country
}

// DeviceClass returns the visitor's device, finding it out at the first call.
func (v *Visit) DeviceClass() Device {
	if v.Device == DeviceUnknown && v.Knowledge != nil {
		v.Device = v.Knowledge.Device()
	}
	return v.Device
}

// Action is what a verdict demands of the redirect.
type Action uint8

// The actions.
const (
	// Pass redirects with click id and cookie.
	Pass Action = iota
	// Decoy redirects to the plain merchant URL: no click id, no sub-IDs. It is
	// what declared bots get.
	Decoy
	// Block answers 403.
	Block
)

var actionNames = [...]string{"pass", "decoy", "block"}

func (a Action) String() string { return actionNames[a] }

// ParseAction reads an action's name.
func ParseAction(s string) (Action, bool) {
	for i, n := range actionNames {
		if n == s {
			return Action(i), true
		}
	}
	return Pass, s == ""
}

// Device is the class of a visitor's device.
type Device uint8

// The device classes.
const (
	DeviceUnknown Device = iota // not looked at yet
	Phone
	Tablet
	Desktop
	TV
	Bot
	OtherDevice
)

var deviceNames = [...]string{"", "phone", "tablet", "desktop", "tv", "bot", "other"}

func (d Device) String() string { return deviceNames[d] }

// DeviceNames lists the classes that conditions can name.
func DeviceNames() []string { return deviceNames[1:] }

// ParseDevice reads a device class.
func ParseDevice(s string) (Device, bool) {
	for i, n := range deviceNames {
		if i > 0 && n == s {
			return Device(i), true
		}
	}
	return DeviceUnknown, false
}

// Outcome is what a visitor gets.
type Outcome uint8

// The outcomes.
const (
	// Missing is a 404 page: the name is unknown and the site has no default.
	Missing Outcome = iota
	// Redirected leads to a destination of the link.
	Redirected
	// FellBack leads to the link's fallback.
	FellBack
	// Defaulted leads to the site's default URL.
	Defaulted
	// Blocked is a 403.
	Blocked
)

var outcomeNames = [...]string{"not_found", "redirect", "fallback", "default", "block"}

func (o Outcome) String() string { return outcomeNames[o] }

// ParseOutcome reads an outcome's name.
func ParseOutcome(s string) (Outcome, bool) {
	for i, n := range outcomeNames {
		if n == s {
			return Outcome(i), true
		}
	}
	return Missing, false
}

// Decision is where a visit leads, and why. A Decision is reused from request to
// request: Resolve empties it first. URL and the strings hold until then; some of
// them are parts of the visit's strings or of the decision's own buffers.
type Decision struct {
	Outcome Outcome
	Code    int    // HTTP status
	URL     []byte // empty for Missing and Blocked
	// PackedURL is the URL as click records pack it, without the end. It is empty when
	// the URL holds something of the visitor's: then it has yet to be packed.
	PackedURL []byte

	Link    int64 // 0 when no link was found
	Site    string
	Slug    string // canonical; of an unknown name too, where it has a canonical form
	Program string
	Partner string // credited partner, "" for none
	Variant string // id of the destination
	Rule    string // id of the rule that matched, "" for none
	Page    string // the link's page
	Why     Why

	kept []byte
}

// Reset empties the decision for the next visit and keeps its buffers.
func (d *Decision) Reset() {
	*d = Decision{URL: d.URL[:0], PackedURL: d.PackedURL[:0], kept: d.kept[:0]}
}

// Keep returns a copy of b that lives as long as the decision. Tables are files
// mapped into memory: a string that pointed into one would become a crash when the
// next table replaces it.
func (d *Decision) Keep(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	at := len(d.kept)
	d.kept = append(d.kept, b...)
	return unsafe.String(&d.kept[at], len(b))
}

// Why is the set of reasons that led to a decision.
type Why uint32

// The reasons.
const (
	WhyUnknownHost     Why = 1 << iota // no site answers for the host
	WhyUnknownName                     // the site has no such link
	WhyPaused                          // the link is paused
	WhyArchived                        // the link is archived
	WhyNotStarted                      // the schedule has not begun
	WhyEnded                           // the schedule is over
	WhyRule                            // a rule chose the destinations
	WhyShared                          // the visitor's bucket chose among several destinations
	WhyDestinationDown                 // the visitor's destination is down; another was chosen
	WhyAllDown                         // every destination is down; the fallback, or the first choice, answered
	WhyPartner                         // the visit names an active partner
	WhyPartnerUnknown                  // the visit names a partner that the program does not know
	WhyPartnerPaused                   // the visit names a partner who is not active
	WhyPartnerDefault                  // the link's own partner is credited
	WhyDeepLink                        // ?url= chose the page
	WhyDeepLinkRefused                 // ?url= is not allowed by the link or the program
	WhyQueryPassed                     // parameters of the visit were handed on
	WhyDecoy                           // the verdict wants the plain URL
	WhyBlocked                         // the verdict wants no redirect
	WhyProgramClosed                   // the link's program is paused or archived
)

var whyNames = [...]string{"unknown_host", "unknown_name", "paused", "archived", "not_started", "ended", "rule", "shared",
	"destination_down", "all_down", "partner", "partner_unknown", "partner_paused", "partner_default",
	"deep_link", "deep_link_refused", "query_passed", "decoy", "blocked", "program_closed"}

// Strings lists the reasons by name, in the order in which they are declared.
func (w Why) Strings() []string {
	names := []string{}
	for i, n := range whyNames {
		if w&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// WhyNames lists every reason; the index is the bit.
func WhyNames() []string { return whyNames[:] }
