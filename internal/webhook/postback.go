package webhook

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// PartnerPostback tells one partner of a program what becomes of the orders that it
// brought, by a GET of a URL with macros.
type PartnerPostback struct {
	Program string `json:"program"`
	Partner string `json:"partner"`
	// URL is a template. Macros are {click_id} {txid} {amount} {commission} {currency}
	// {status} {event} {sub1} … {sub10} {time}; they may stand anywhere behind the host. Their
	// values are percent-encoded, one that is not known is empty.
	URL string `json:"url"`
	// Events that are told, of ConversionTypes; empty is all of those.
	Events      []Type `json:"events,omitempty"`
	Disabled    bool   `json:"disabled,omitempty"`
	DisabledWhy string `json:"disabled_why,omitempty"`
	Version     int64  `json:"version,omitempty"`
}

// Key is the postback's in the store, and the target of its messages.
func (b *PartnerPostback) Key() string { return "postback/" + b.Program + "/" + b.Partner }

// Normalize fills in canonical spellings.
func (b *PartnerPostback) Normalize() {
	b.Program = strings.ToLower(strings.TrimSpace(b.Program))
	b.Partner = strings.ToLower(strings.TrimSpace(b.Partner))
	b.URL = strings.TrimSpace(b.URL)
	b.Events = sortedTypes(b.Events)
	if !b.Disabled {
		b.DisabledWhy = ""
	}
}

// Validate reports every field at fault of a normalised postback.
func (b *PartnerPostback) Validate(p Policy) error {
	var fs faults
	fs.addHandle("program", b.Program)
	fs.addHandle("partner", b.Partner)
	if url, err := expand(b.URL, func(string) string { return "1" }); err != nil {
		fs.add("url", "%s", err)
	} else {
		fs.addURL("url", url, p)
	}
	fs.addTypes("events", b.Events, ConversionTypes)
	return fs.err(fmt.Sprintf("the postback of the partner %q is not valid", clip(b.Partner, 80)))
}

func (b *PartnerPostback) wants(t Type, program, partner string) bool {
	return !b.Disabled && b.Program == program && b.Partner == partner && (len(b.Events) == 0 || slices.Contains(b.Events, t))
}

// values are those of macros.
type values map[string]string

var macros = func() []string {
	names := []string{"click_id", "txid", "amount", "commission", "currency", "status", "event"}
	for i := range affiliate.SubSlots {
		names = append(names, "sub"+strconv.Itoa(i+1))
	}
	return append(names, "time")
}()

const macrosKnown = "{click_id} {txid} {amount} {commission} {currency} {status} {event} {sub1}…{sub10} {time}"

// expand puts encoded values in the place of macros.
func expand(template string, value func(macro string) string) (string, error) {
	var b strings.Builder
	for rest := template; ; {
		literal, after, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return "", fmt.Errorf("there is a } without its {; write %%7D for a literal one")
		}
		b.WriteString(literal)
		if !found {
			return b.String(), nil
		}
		if !pastHost(b.String()) {
			return "", fmt.Errorf("a macro may stand only behind the host, in the path or the query")
		}
		name, more, closed := strings.Cut(after, "}")
		if !closed {
			return "", fmt.Errorf("there is a { without its }; write %%7B for a literal one")
		}
		if !slices.Contains(macros, name) {
			return "", fmt.Errorf("unknown macro {%s}; known: %s", clip(name, 60), macrosKnown)
		}
		b.WriteString(encode(value(name)))
		rest = more
	}
}

// pastHost says that a URL's scheme and host are complete.
func pastHost(url string) bool {
	_, rest, found := strings.Cut(url, "://")
	return found && strings.ContainsAny(rest, "/?#")
}

// encode percent-encodes all but RFC 3986's unreserved characters.
func encode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
