package affiliate

import "strings"

// Preset is what is known of a network: how to recognise its links, where it
// takes a sub-ID, and what its terms forbid. The facts come from the networks'
// public documentation.
type Preset struct {
	Name string
	// Hosts recognise the network's click URLs, as DeepLink.Hosts spells them.
	Hosts []string
	// Needs is a query parameter that must be there too: not every link to
	// amazon.com is an affiliate link.
	Needs string
	// Slots are the query parameters that take a sub-ID, in order of preference.
	Slots []string
	// PathSlot is the path segment that takes it instead (Partnerize "pubref:").
	PathSlot string
	// Last lists parameters that must stay at the end of the query.
	Last []string
	// DeepLinkParam takes the merchant's page.
	DeepLinkParam string
	// DeepLinkSlot is the path segment that takes it instead, the last of the path
	// (Partnerize "destination:").
	DeepLinkSlot string
	// Policy is what the network's terms forbid, with the reason in words.
	Policy Policy
	Reason string
}

const amazonTerms = "Amazon's terms do not let redirects obscure where a click comes from, and sub-tags may not be assigned to visitors"

var presets = []Preset{
	{Name: "admitad", Hosts: []string{"ad.admitad.com", "alitems.com", "rzekl.com", "rztekl.com", "tygbg.com"},
		Slots: []string{"subid", "subid1", "subid2", "subid3", "subid4"}, DeepLinkParam: "ulp"},
	{Name: "amazon", Hosts: amazonHosts(), Needs: "tag", Policy: Policy{Redirect: Denied, VisitorSubID: Denied}, Reason: amazonTerms},
	{Name: "amazon-short", Hosts: []string{"amzn.to", "a.co", "amzn.eu", "amzn.asia"},
		Policy: Policy{Redirect: Denied, VisitorSubID: Denied}, Reason: amazonTerms},
	{Name: "avantlink", Hosts: []string{"*.avantlink.com", "avantlink.com", "*.avantlink.ca", "avantlink.ca"}, Slots: []string{"ctc"}, DeepLinkParam: "url"},
	{Name: "awin", Hosts: []string{"awin1.com", "*.awin1.com", "zenaps.com", "*.zenaps.com"},
		Slots: []string{"clickref", "clickref2", "clickref3", "clickref4", "clickref5", "clickref6"}, DeepLinkParam: "ued"},
	{Name: "cj", Hosts: []string{"*.anrdoezrs.net", "*.dpbolvw.net", "*.jdoqocy.com", "*.kqzyfj.com", "*.tkqlhce.com", "*.qksrv.net", "*.emjcd.com"},
		Slots: []string{"sid"}, DeepLinkParam: "url"},
	{Name: "clickbank", Hosts: []string{"hop.clickbank.net", "*.hop.clickbank.net"}, Slots: []string{"tid"}},
	{Name: "digistore24", Hosts: []string{"digistore24.com", "*.digistore24.com", "checkout-ds24.com", "*.checkout-ds24.com"},
		Slots: []string{"sid1", "sid2", "sid3", "sid4", "sid5"}},
	{Name: "ebay", Hosts: ebayHosts(), Needs: "mkcid", Slots: []string{"customid"}},
	{Name: "everflow", Slots: []string{"sub1", "sub2", "sub3", "sub4", "sub5"}},
	{Name: "flexoffers", Hosts: []string{"track.flexlinkspro.com", "track.flexlinks.com"},
		Slots: []string{"fobs", "fobs2", "fobs3", "fobs4", "fobs5"}, Last: []string{"url"}, DeepLinkParam: "url"},
	{Name: "impact", Hosts: []string{"*.sjv.io", "*.pxf.io", "*.evyy.net", "*.7eer.net", "*.ojrq.net", "*.eqjw.net", "*.audw.net", "*.pvxt.net", "*.snlv.net"},
		Slots: []string{"subId1", "subId2", "subId3"}, DeepLinkParam: "u"},
	{Name: "partnerize", Hosts: []string{"prf.hn", "*.prf.hn"}, PathSlot: "pubref:", DeepLinkSlot: "destination:"},
	{Name: "pepperjam", Hosts: []string{"*.pjtra.com", "*.pjatr.com", "*.pntra.com", "*.pntrs.com", "*.pntrac.com", "*.gopjn.com"},
		Slots: []string{"sid"}, DeepLinkParam: "url"},
	{Name: "rakuten", Hosts: []string{"click.linksynergy.com"}, Slots: []string{"u1"}, DeepLinkParam: "murl"},
	{Name: "skimlinks", Hosts: []string{"go.skimresources.com", "go.redirectingat.com"}, Slots: []string{"xcust"}, DeepLinkParam: "url"},
	{Name: "sovrn", Hosts: []string{"redirect.viglink.com", "sovrn.co"}, Slots: []string{"cuid"}, DeepLinkParam: "u"},
	{Name: "tradedoubler", Hosts: []string{"*.tradedoubler.com"}, Slots: []string{"epi", "epi2"}, Last: []string{"url"}, DeepLinkParam: "url"},
	{Name: "tradetracker", Hosts: []string{"tc.tradetracker.net"}, Slots: []string{"r"}, Last: []string{"u"}, DeepLinkParam: "u"},
	{Name: "tune", Hosts: []string{"*.go2cloud.org", "*.go2jump.org", "*.hasoffers.com"},
		Slots: []string{"aff_sub", "aff_sub2", "aff_sub3", "aff_sub4", "aff_sub5"}},
	{Name: "webgains", Hosts: []string{"track.webgains.com"}, Slots: []string{"clickref"}, Last: []string{"wgtarget"}, DeepLinkParam: "wgtarget"},
}

func amazonHosts() (hosts []string) {
	for _, tld := range strings.Fields("com ca com.mx com.br co.uk de fr it es nl se pl com.be ie com.tr ae sa eg in sg com.au co.jp") {
		hosts = append(hosts, "amazon."+tld, "*.amazon."+tld)
	}
	return hosts
}

func ebayHosts() (hosts []string) {
	for _, tld := range strings.Fields("com co.uk de fr it es nl be at ch ie ca com.au pl com.sg com.hk") {
		hosts = append(hosts, "ebay."+tld, "*.ebay."+tld)
	}
	return hosts
}

// PresetNamed returns the preset of a network, or nil.
func PresetNamed(name string) *Preset {
	for i := range presets {
		if presets[i].Name == name {
			return &presets[i]
		}
	}
	return nil
}

// PresetNames lists the networks that have a preset.
func PresetNames() []string {
	names := make([]string, len(presets))
	for i := range presets {
		names[i] = presets[i].Name
	}
	return names
}

// PresetFor recognises the network of a destination by its host, or returns nil.
func PresetFor(destination string) *Preset {
	host := URLHost(destination)
	p := presetAt(host)
	if p == nil {
		p = presetAt(strings.TrimPrefix(host, "www."))
	}
	if p != nil && p.Needs != "" && queryParam(destination, p.Needs) < 0 {
		return nil
	}
	return p
}

func presetAt(host string) *Preset {
	if p := presetByHost[host]; p != nil {
		return p
	}
	for suffix, more := host, true; more; {
		if _, suffix, more = strings.Cut(suffix, "."); more {
			if p := presetByHost["*."+suffix]; p != nil {
				return p
			}
		}
	}
	return nil
}

// presetByHost finds a preset by one of its Hosts. No two presets share one.
var presetByHost = func() map[string]*Preset {
	byHost := map[string]*Preset{}
	for i := range presets {
		for _, h := range presets[i].Hosts {
			byHost[h] = &presets[i]
		}
	}
	return byHost
}()

// presetOf is the preset that applies to a destination: the program's network,
// or the one that its host shows.
func presetOf(program *Program, destination string) *Preset {
	if program != nil && program.Network != "" {
		return PresetNamed(program.Network)
	}
	return PresetFor(destination)
}

// Terms are what applies to one destination: the program's own policy before the
// network's.
type Terms struct {
	Policy
	Reason string
}

// TermsFor returns the terms of a destination.
func TermsFor(program *Program, destination string) Terms {
	var t Terms
	if p := presetOf(program, destination); p != nil {
		t = Terms{Policy: p.Policy, Reason: p.Reason}
	}
	if program == nil || program.Policy == nil {
		return t
	}
	if own := program.Policy.Redirect; own != ByPreset {
		t.Redirect = own
		t.Reason = "the program " + quote(program.ID) + " says so"
	}
	if own := program.Policy.VisitorSubID; own != ByPreset {
		t.VisitorSubID = own
		t.Reason = "the program " + quote(program.ID) + " says so"
	}
	return t
}
