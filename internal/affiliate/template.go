package affiliate

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// A destination URL may contain macros, replaced when a visitor is sent on:
//
//	{click_id} {sub1} … {sub10} {link} {site} {program} {partner} {variant}
//	{country} {device} {referrer_host} {ts} {query.NAME} {raw:MACRO}
//
// Values are percent-encoded except for letters, digits, "-", ".", "_" and "~".
// With raw: the characters that have a meaning in URLs pass too, except "#", which
// would cut off what follows; what no URL may contain is still encoded. A macro may not stand in the scheme or the host: no
// visitor can choose where a link leads.

// Macro is what a template puts in a value's place.
type Macro uint8

// The macros. MacroNone marks literal text.
const (
	MacroNone Macro = iota
	MacroClickID
	MacroSub // Arg is the slot, "1" to "10"
	MacroLink
	MacroSite
	MacroProgram
	MacroPartner
	MacroVariant
	MacroCountry
	MacroDevice
	MacroReferrerHost
	MacroTime  // Unix seconds
	MacroQuery // Arg is the parameter's name
	MacroDeepLink
)

var macros = map[string]Macro{
	"click_id":      MacroClickID,
	"link":          MacroLink,
	"site":          MacroSite,
	"program":       MacroProgram,
	"partner":       MacroPartner,
	"variant":       MacroVariant,
	"country":       MacroCountry,
	"device":        MacroDevice,
	"referrer_host": MacroReferrerHost,
	"ts":            MacroTime,
}

// SubSlots is the number of sub-IDs that a click can arrive with, sub1 to sub10.
const SubSlots = 10

// URLBytesMax is the length limit of a destination template, in bytes.
const URLBytesMax = 8192

// Part is a piece of a template: literal text, or a macro with its argument.
type Part struct {
	Literal string
	Macro   Macro
	Arg     string
	Raw     bool
}

// varies says that the part's value differs from visitor to visitor.
func (p Part) varies() bool {
	switch p.Macro {
	case MacroNone, MacroLink, MacroSite, MacroProgram, MacroVariant, MacroPartner:
		return false
	}
	return true
}

// ParseTemplate splits a template into its parts. Its error names the macro that
// is not known and those that are.
func ParseTemplate(s string) ([]Part, error) {
	var parts []Part
	for s != "" {
		open := strings.IndexByte(s, '{')
		if open < 0 {
			open = len(s)
		}
		if literal := s[:open]; literal != "" {
			if strings.IndexByte(literal, '}') >= 0 {
				return nil, fmt.Errorf("there is a } without its {; write %%7D for a literal one")
			}
			parts = append(parts, Part{Literal: literal})
		}
		if open == len(s) {
			break
		}
		end := strings.IndexByte(s[open:], '}')
		if end < 0 {
			return nil, fmt.Errorf("there is a { without its }; write %%7B for a literal one")
		}
		part, err := parseMacro(s[open+1 : open+end])
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		s = s[open+end+1:]
	}
	return parts, nil
}

func parseMacro(name string) (Part, error) {
	bare, raw := strings.CutPrefix(name, "raw:")
	if m, ok := macros[bare]; ok {
		return Part{Macro: m, Raw: raw}, nil
	}
	if slot, ok := strings.CutPrefix(bare, "sub"); ok {
		if n, err := strconv.Atoi(slot); err == nil && 1 <= n && n <= SubSlots && slot[0] != '0' {
			return Part{Macro: MacroSub, Arg: slot, Raw: raw}, nil
		}
	}
	if param, ok := strings.CutPrefix(bare, "query."); ok {
		var fs faults
		if paramFault(&fs, "", param); len(fs) == 0 {
			return Part{Macro: MacroQuery, Arg: param, Raw: raw}, nil
		}
	}
	return Part{}, fmt.Errorf("unknown macro {%s}; known: {click_id} {sub1}…{sub10} {link} {site} {program} "+
		"{partner} {variant} {country} {device} {referrer_host} {ts} {query.NAME} and {raw:MACRO}", clip(name, 60))
}

// NormalizeURL trims a destination and percent-encodes what is not ASCII in its
// path and query, as browsers do when such an address is typed.
func NormalizeURL(s string) string {
	s = strings.TrimSpace(s)
	clean := true
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	end := authorityEnd(s)
	var b strings.Builder
	b.WriteString(s[:end])
	for i := end; i < len(s); i++ {
		if s[i] < 0x80 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

// authorityEnd returns where the path, query or fragment of an absolute URL
// begins, or 0 when it has no authority.
func authorityEnd(s string) int {
	if end := plainAuthorityEnd(s); end > 0 {
		return end
	}
	i := nextOf(s, 0)
	if i < 1 || i+1 >= len(s) || s[i-1:i+2] != "://" {
		return 0 // a "://" further on is not the URL's own
	}
	return nextOf(s, i+2)
}

// httpsScheme is what nearly every URL begins with.
const httpsScheme = "https://"

// plainAuthorityEnd is authorityEnd of an https URL whose authority is a canonical host
// and nothing else; 0 for others.
func plainAuthorityEnd(s string) int {
	if !strings.HasPrefix(s, httpsScheme) {
		return 0
	}
	i := len(httpsScheme)
	for i < len(s) && kinds[s[i]]&plainHost != 0 {
		i++
	}
	if i == len(httpsScheme) || s[i-1] == '.' || i < len(s) && s[i] != '/' && s[i] != '?' && s[i] != '#' {
		return 0
	}
	return i
}

// nextOf returns where the next "/", "?" or "#" stands in s from i on, or len(s).
func nextOf(s string, i int) int {
	for i < len(s) && s[i] != '/' && s[i] != '?' && s[i] != '#' {
		i++
	}
	return i
}

// urlFault says what is wrong with a destination template, or "".
func urlFault(s string) string {
	if s == "" {
		return "the URL is missing"
	}
	if len(s) > URLBytesMax {
		return fmt.Sprintf("the URL is %d bytes long; at most %d", len(s), URLBytesMax)
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte("\"<>\\^`|", s[i]) >= 0 {
			return fmt.Sprintf("the URL %q contains %q at position %d; write it percent-encoded", clip(s, 80), s[i], i+1)
		}
	}
	scheme, rest, found := strings.Cut(s, ":")
	if scheme = strings.ToLower(scheme); scheme != "https" && scheme != "http" {
		if found && !strings.ContainsAny(scheme, "/.?#{") {
			return fmt.Sprintf("the scheme %q is not allowed; a destination starts with https:// or http://", clip(scheme, 20))
		}
		return fmt.Sprintf("%q is not an absolute URL; a destination starts with https:// or http://", clip(s, 80))
	}
	if !strings.HasPrefix(rest, "//") {
		return fmt.Sprintf("%q is not an absolute URL; a destination starts with https:// or http://", clip(s, 80))
	}
	if f := authorityFault(s[len(scheme)+3 : authorityEnd(s)]); f != "" {
		return f
	}
	return escapeFault(s)
}

// escapeFault finds a broken escape in the path or the fragment, where strict
// parsers refuse the whole URL. In a query they all let it pass.
func escapeFault(s string) string {
	path, fragment, _ := strings.Cut(pathOf(s), "#")
	path, _, _ = strings.Cut(path, "?")
	for _, part := range []string{path, fragment} {
		for i := 0; i < len(part); i++ {
			if part[i] == '%' && brokenEscape(part, i) {
				return fmt.Sprintf("the URL %q contains a %% that begins no escape; write %%25 for a literal one", clip(s, 80))
			}
		}
	}
	return ""
}

// pathOf returns what follows the host of an absolute URL: path, query, fragment.
func pathOf(s string) string { return s[authorityEnd(s):] }

// authorityFault checks host and port of a destination. They are literal: a
// macro there would let a visitor choose where a link leads.
func authorityFault(authority string) string {
	if strings.ContainsAny(authority, "{}") {
		return fmt.Sprintf("a macro may not stand in the host %q", clip(authority, 80))
	}
	if authority == "" {
		return "the host is missing"
	}
	if strings.Contains(authority, "@") {
		return "a user name or password in the URL is not allowed"
	}
	host, port := splitPort(authority)
	if port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Sprintf("the port %q is not a port", port)
		}
	} else if strings.HasSuffix(authority, ":") {
		return "the port is missing after the colon"
	}
	return hostFault(strings.ToLower(host))
}

// splitPort separates "host:port"; port is "" when there is none.
func splitPort(authority string) (host, port string) {
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		return authority[:i], authority[i+1:]
	}
	return authority, ""
}

// plainURLFault checks a URL that takes no macros.
func plainURLFault(s string) string {
	if f := urlFault(s); f != "" {
		return f
	}
	if strings.ContainsAny(s, "{}") {
		return "macros are not available here"
	}
	if _, err := url.Parse(s); err != nil {
		return "it is not a URL: " + err.Error()
	}
	return ""
}

// URLHost returns the canonical host of an absolute URL, or "" when it has none.
// It is used for referrers and destinations and never allocates for lower-case
// input.
func URLHost(s string) string {
	if end := plainAuthorityEnd(s); end > 0 {
		return s[len(httpsScheme):end]
	}
	end := authorityEnd(s)
	if end == 0 {
		return ""
	}
	s = s[strings.Index(s, "://")+3 : end]
	if j := strings.LastIndexByte(s, '@'); j >= 0 {
		s = s[j+1:]
	}
	return CanonicalHost(s)
}

// OwnPage returns the path of the page that a referrer names when it is on the host; ""
// when it is elsewhere, or no page.
func OwnPage(referrer, host string) string {
	if host == "" || URLHost(referrer) != host {
		return ""
	}
	return referrerPage(referrer[authorityEnd(referrer):])
}

// HostMatches says whether host is the pattern's host, or lies below it when the
// pattern is "*.host".
func HostMatches(pattern, host string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
		return len(host) > len(suffix)+1 && strings.HasSuffix(host, suffix) && host[len(host)-len(suffix)-1] == '.'
	}
	return pattern == host
}

// deepHostFault checks one entry of DeepLink.Hosts.
func deepHostFault(h string) string {
	h = strings.TrimPrefix(h, "http://")
	h = strings.TrimPrefix(h, "*.")
	host, port := splitPort(h)
	if port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Sprintf("the port %q is not a port", port)
		}
	}
	if !strings.Contains(host, ".") && host != "localhost" {
		return fmt.Sprintf("%q would allow every host below it; write a whole host such as shop.example or *.shop.example", h)
	}
	return hostFault(host)
}

// AllowsDeepLink says whether the page may be linked to: an absolute URL of
// printable ASCII without broken escapes and without user information, https (or
// http where the entry says so), on an allowed host. A port must be written in the
// entry as it is in the page, even the default one.
func (d *DeepLink) AllowsDeepLink(page string) bool {
	if d == nil || len(page) > URLBytesMax {
		return false
	}
	for i := 0; i < len(page); i++ {
		if page[i] <= ' ' || page[i] >= 0x7f || strings.IndexByte("\"<>\\^`{|}", page[i]) >= 0 ||
			page[i] == '%' && brokenEscape(page, i) {
			return false
		}
	}
	rest, secure := cutPrefixFold(page, "https://")
	if !secure {
		var plain bool
		if rest, plain = cutPrefixFold(page, "http://"); !plain {
			return false
		}
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	authority := LowerASCII(rest)
	if !isHostPort(authority) {
		return false
	}
	for _, allowed := range d.Hosts {
		pattern, plain := strings.CutPrefix(allowed, "http://")
		if (secure || plain) && HostMatches(pattern, authority) {
			return true
		}
	}
	return false
}

// isHostPort accepts plain host names with or without a port and nothing that two
// parsers could read in two ways.
func isHostPort(authority string) bool {
	host, port, hasPort := strings.Cut(authority, ":")
	if host == "" || hasPort && (port == "" || len(port) > 5) {
		return false
	}
	for i := 0; i < len(host); i++ {
		if c := host[i]; !isAlnum(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	for i := 0; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	return true
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
func quote(s string) string            { return strconv.Quote(clip(s, 80)) }
