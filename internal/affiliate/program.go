package affiliate

import (
	"strings"
)

// Program is an agreement with a merchant that links belong to: who pays, how
// clicks are named to them, and what they forbid.
type Program struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Merchant is the name of whose shop it is, for people; several programs may be one
	// merchant's.
	Merchant string `json:"merchant,omitempty"`
	// Network names the preset (see Presets) that says where the network wants
	// the sub-ID and what its terms forbid. Empty: recognised by the
	// destination's host.
	Network string `json:"network,omitempty"`
	Status  Status `json:"status,omitempty"`
	// Side is Earns or Pays; programs that were stored before there were sides have none,
	// which means Earns.
	Side Side `json:"side,omitempty"`
	// PartnerParam is the query parameter that names a partner; "ref" by default.
	PartnerParam string    `json:"partner_param,omitempty"`
	DeepLink     *DeepLink `json:"deep_link,omitempty"`
	SubID        *SubID    `json:"sub_id,omitempty"`
	Policy       *Policy   `json:"policy,omitempty"`
	// Settlement is how clicks become money; nil while nobody keeps books of the program.
	Settlement *Settlement `json:"settlement,omitempty"`
	Version    int64       `json:"version,omitempty"`
}

// DeepLink says which pages of the merchant a visitor may be sent to by ?url=.
type DeepLink struct {
	// Hosts that a deep link may lead to: "shop.example" or "*.shop.example".
	// Only https and the default port, unless written "http://shop.example" or
	// with a port.
	Hosts []string `json:"hosts"`
	// Param is the parameter of the network's click URL that takes the page
	// (Awin's "ued"). Empty: the page itself becomes the destination.
	Param string `json:"param,omitempty"`
}

// SubID says how the click is named to the merchant.
type SubID struct {
	// Param is the query parameter of the destination that takes the sub-ID.
	Param string `json:"param,omitempty"`
	// Value is a template; "{click_id}" by default.
	Value string `json:"value,omitempty"`
	// Off sends no sub-ID.
	Off bool `json:"off,omitempty"`
}

// Policy holds what a program's terms forbid (see decision D13).
type Policy struct {
	// Redirect "forbidden": the program's links may not be hidden behind a
	// redirect; they are rendered into pages as they are. "allowed" overrides
	// what the network's preset says.
	Redirect Permission `json:"redirect,omitempty"`
	// VisitorSubID "forbidden": no value that differs between visitors may be
	// sent as sub-ID.
	VisitorSubID Permission `json:"visitor_sub_id,omitempty"`
}

// Permission is allowed, forbidden, or empty for what the network's preset says.
type Permission string

// The permissions.
const (
	Allowed  Permission = "allowed"
	Denied   Permission = "forbidden"
	ByPreset Permission = ""
)

// Status is the state of a link, a program or a partner.
type Status string

// The states. Archived things are kept for their history and serve nobody.
const (
	Active   Status = "active"
	Paused   Status = "paused"
	Archived Status = "archived"
)

func (s Status) valid() bool { return s == Active || s == Paused || s == Archived }

// DefaultPartnerParam names the partner in a managed link's query.
const DefaultPartnerParam = "ref"

// Normalize fills in defaults and canonical spellings.
func (p *Program) Normalize() {
	p.ID = strings.ToLower(strings.TrimSpace(p.ID))
	p.Network = strings.ToLower(strings.TrimSpace(p.Network))
	if p.Status == "" {
		p.Status = Active
	}
	if p.Side == "" {
		p.Side = Earns
	}
	p.Merchant = strings.TrimSpace(p.Merchant)
	p.Settlement = p.Settlement.normalized()
	if p.PartnerParam == "" {
		p.PartnerParam = DefaultPartnerParam
	}
	if p.DeepLink != nil {
		for i, h := range p.DeepLink.Hosts {
			h = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(h)), "https://")
			p.DeepLink.Hosts[i] = strings.TrimSuffix(h, "/")
		}
	}
}

// Validate reports every field at fault of a normalised program.
func (p *Program) Validate() error {
	var fs faults
	handleFault(&fs, "id", p.ID)
	if !p.Status.valid() {
		fs.add("status", "%q is not one of active, paused, archived", p.Status)
	}
	if p.Network != "" && PresetNamed(p.Network) == nil {
		fs.add("network", "%q is not known; known networks: %s", p.Network, strings.Join(PresetNames(), ", "))
	}
	if !p.Side.Valid() {
		fs.add("side", "%q is not one of %s, %s", clip(string(p.Side), 40), Earns, Pays)
	}
	textFault(&fs, "merchant", p.Merchant, merchantBytesMax)
	paramFault(&fs, "partner_param", p.PartnerParam)
	if p.DeepLink != nil {
		for i, h := range p.DeepLink.Hosts {
			if f := deepHostFault(h); f != "" {
				fs.add(index("deep_link.hosts", i), "%s", f)
			}
		}
		if p.DeepLink.Param != "" {
			paramFault(&fs, "deep_link.param", p.DeepLink.Param)
		}
	}
	p.SubID.validate(&fs, "sub_id")
	if p.Policy != nil {
		p.Policy.Redirect.validate(&fs, "policy.redirect")
		p.Policy.VisitorSubID.validate(&fs, "policy.visitor_sub_id")
	}
	p.Settlement.validate(&fs, "settlement")
	return fs.err("the program " + quote(p.ID) + " is not valid")
}

const merchantBytesMax = 200

func (p Permission) validate(fs *faults, field string) {
	if p != ByPreset && p != Allowed && p != Denied {
		fs.add(field, "%q is not one of allowed, forbidden", p)
	}
}

func (s *SubID) validate(fs *faults, field string) {
	if s == nil || s.Off {
		return
	}
	if s.Param != "" {
		paramFault(fs, field+".param", s.Param)
	}
	if len(s.Value) > subIDBytesMax {
		fs.add(field+".value", "it is longer than %d bytes", subIDBytesMax)
		return
	}
	parts, err := ParseTemplate(s.Value)
	if err != nil {
		fs.add(field+".value", "%s", err)
		return
	}
	for _, p := range parts {
		if i := strings.IndexFunc(p.Literal, func(r rune) bool { return !isSubIDText(r) }); i >= 0 {
			fs.add(field+".value", "%q may contain letters, digits, - . _ ~ : , and macros; percent-encode the rest", clip(s.Value, 80))
			return
		}
	}
}

// subIDBytesMax bounds the template of a sub-ID; networks keep 24 to 255 characters
// of what it becomes.
const subIDBytesMax = 512

// isSubIDText says what may stand beside the macros of a sub-ID: what ends neither
// a parameter nor a path segment.
func isSubIDText(r rune) bool {
	return r < 0x80 && (isAlnum(lowerByte(byte(r))) || strings.IndexByte("-._~:,%", byte(r)) >= 0)
}

// paramFault checks the name of a query parameter.
func paramFault(fs *faults, field, name string) {
	if name == "" || len(name) > 64 {
		fs.add(field, "a parameter name has 1 to 64 characters")
		return
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !isAlnum(lowerByte(c)) && c != '_' && c != '-' && c != '.' {
			fs.add(field, "%q is not a parameter name; use letters, digits, _ - and .", name)
			return
		}
	}
}
