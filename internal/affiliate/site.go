package affiliate

import (
	"net/netip"
	"slices"
	"strings"
)

// Site is one place on the web that serves links: a blog, a shop, a creator's
// bio. It answers for its hosts, under its prefix.
type Site struct {
	// ID is the site's handle in documents, reports and commands: lower-case
	// letters, digits and hyphens.
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Hosts are the host names that the site answers for, lower case, without
	// port, in their ASCII form. One site may have none: it answers for every
	// host that no other site names.
	Hosts []string `json:"hosts,omitempty"`
	// Prefix stands before every name: "/go/" by default, "/" to serve bare names.
	Prefix string `json:"prefix,omitempty"`
	// DefaultURL is where unknown names are sent. Empty: they get a 404 page.
	DefaultURL string `json:"default_url,omitempty"`
	// Keys sign the site's clicks from elsewhere; nil when there is the first one only, and in
	// what is written of a site: the keys stay as they are.
	Keys    *SiteKeys `json:"ingest_keys,omitempty"`
	Version int64     `json:"version,omitempty"`
}

// DefaultPrefix stands before the names of a site that says nothing else.
const DefaultPrefix = "/go/"

// Normalize brings the site to its canonical form: defaults filled in, hosts
// lower-cased and without a port.
func (s *Site) Normalize() {
	s.ID = strings.ToLower(strings.TrimSpace(s.ID))
	s.Prefix = strings.ToLower(strings.TrimSpace(s.Prefix))
	if s.Prefix == "" {
		s.Prefix = DefaultPrefix
	}
	if !strings.HasPrefix(s.Prefix, "/") {
		s.Prefix = "/" + s.Prefix
	}
	if !strings.HasSuffix(s.Prefix, "/") {
		s.Prefix += "/"
	}
	for i, h := range s.Hosts {
		s.Hosts[i] = CanonicalHost(strings.TrimSpace(h))
	}
}

// Validate reports every field at fault of a normalised site.
func (s *Site) Validate() error {
	var fs faults
	handleFault(&fs, "id", s.ID)
	for i, h := range s.Hosts {
		if f := hostFault(h); f != "" {
			fs.add(index("hosts", i), "%s", f)
		}
	}
	for _, c := range s.Prefix {
		if !(c == '/' || c == '-' || c == '_' || isAlnum(byte(c&0x7f)) && c < 0x80) {
			fs.add("prefix", "%q may contain lower-case letters, digits, - and _ between slashes, such as /go/", s.Prefix)
			break
		}
	}
	if strings.Contains(s.Prefix, "//") {
		fs.add("prefix", "%q has an empty part", s.Prefix)
	}
	if reason := ReservedSlug(strings.Trim(s.Prefix, "/")); reason != "" {
		fs.add("prefix", "%q is reserved: %s", s.Prefix, reason)
	}
	if s.Keys != nil {
		s.Keys.validate(&fs)
	}
	if len(s.Prefix) > 64 {
		fs.add("prefix", "it is longer than 64 characters")
	}
	if s.DefaultURL != "" {
		if f := plainURLFault(s.DefaultURL); f != "" {
			fs.add("default_url", "%s", f)
		} else if terms := TermsFor(nil, s.DefaultURL); terms.Redirect == Denied {
			fs.add("default_url", "%s may not be hidden behind a redirect: %s", URLHost(s.DefaultURL), terms.Reason)
		} else if s.Prefix == "/" && slices.Contains(s.Hosts, URLHost(s.DefaultURL)) {
			fs.add("default_url", "%s answers every path of this host itself; visitors would go round in a circle", quote(s.ID))
		}
	}
	return fs.err("the site " + quote(s.ID) + " is not valid")
}

// CanonicalHost returns a host as sites and deep-link rules spell it: lower
// case, without port and without the trailing dot of a rooted name. It does not
// allocate when h is already canonical.
func CanonicalHost(h string) string {
	i := 0
	for i < len(h) && kinds[h[i]]&plainHost != 0 {
		i++
	}
	if i == len(h) && i > 0 && h[i-1] != '.' {
		return h // as nearly every host is
	}
	if i := strings.LastIndexByte(h, ':'); i >= 0 && !strings.HasSuffix(h, "]") {
		h = h[:i]
	}
	return LowerASCII(strings.TrimSuffix(h, "."))
}

func hostFault(h string) string {
	if h == "" {
		return "the host is missing"
	}
	if len(h) > 253 {
		return "the host is longer than 253 characters"
	}
	if inner, ok := strings.CutPrefix(h, "["); ok {
		if ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err != nil || !ip.Is6() || ip.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "the host " + quote(h) + " is not an IPv6 address in brackets"
		}
		return ""
	}
	for _, label := range strings.Split(h, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return "the host " + quote(h) + " is not a host name"
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !isAlnum(c) && c != '-' && c != '_' {
				return "the host " + quote(h) + " is not a host name; write international names in their xn-- form, without scheme, port or path"
			}
		}
	}
	return ""
}

// handleFault checks an id that people choose: it appears in documents, URLs and
// commands, so it is kept to what needs no quoting anywhere.
func handleFault(fs *faults, field, id string) {
	switch {
	case id == "":
		fs.add(field, "is missing; use lower-case letters, digits and hyphens")
	case len(id) > 64:
		fs.add(field, "%q is longer than 64 characters", clip(id, 64))
	default:
		for i := 0; i < len(id); i++ {
			if c := id[i]; !isAlnum(c) && (c != '-' && c != '_' && c != '.' || i == 0) {
				fs.add(field, "%q may contain lower-case letters, digits, hyphens, dots and underscores, starting with a letter or digit", id)
				return
			}
		}
	}
}
