package webhook

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Endpoint is where webhooks are sent to.
type Endpoint struct {
	ID     string `json:"id"` // letters, digits, - _ . as in other names
	URL    string `json:"url"`
	Secret string `json:"secret,omitempty"` // whsec_…, sealed in the store; never shown once it is stored
	// OldSecret signs too until OldUntil, so that receivers can change over in between.
	OldSecret string    `json:"old_secret,omitempty"`
	OldUntil  time.Time `json:"old_until,omitzero"`
	// Events that are sent; empty is all.
	Events []Type `json:"events,omitempty"`
	// Program whose events are sent; "" is all.
	Program  string `json:"program,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	// DisabledWhy is told where not a person has disabled it.
	DisabledWhy string `json:"disabled_why,omitempty"`
	Version     int64  `json:"version,omitempty"`
}

const urlBytesMax = 2048

// Key is the endpoint's in the store, and the target of its messages.
func (e *Endpoint) Key() string { return "webhook/" + e.ID }

// Normalize fills in canonical spellings.
func (e *Endpoint) Normalize() {
	e.ID = strings.ToLower(strings.TrimSpace(e.ID))
	e.Program = strings.ToLower(strings.TrimSpace(e.Program))
	e.URL = strings.TrimSpace(e.URL)
	e.Events = sortedTypes(e.Events)
	if !e.Disabled {
		e.DisabledWhy = ""
	}
}

func sortedTypes(types []Type) []Type {
	sorted := slices.Clone(types)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// Validate reports every field at fault of a normalised endpoint.
func (e *Endpoint) Validate(p Policy) error {
	var fs faults
	fs.addHandle("id", e.ID)
	fs.addURL("url", e.URL, p)
	if fault := secretFault(e.Secret); fault != "" && !isSealed(e.Secret) {
		fs.add("secret", "%s", fault)
	}
	if e.OldSecret != "" && !isSealed(e.OldSecret) {
		if fault := secretFault(e.OldSecret); fault != "" {
			fs.add("old_secret", "%s", fault)
		}
	}
	fs.addTypes("events", e.Events, Types)
	if e.Program != "" {
		fs.addHandle("program", e.Program)
	}
	return fs.err(fmt.Sprintf("the endpoint %q is not valid", clip(e.ID, 80)))
}

// Rotate replaces the secret. The one before it signs too until then.
func (e *Endpoint) Rotate(secret string, until time.Time) {
	e.OldSecret, e.OldUntil, e.Secret = e.Secret, until, secret
}

// Shown is the endpoint without its secrets, for whoever may see it.
func (e Endpoint) Shown() Endpoint {
	e.Secret, e.OldSecret = "", ""
	return e
}

// secrets that sign at a moment, the newest first.
func (e *Endpoint) secrets(now time.Time) []string {
	if e.OldSecret == "" || !now.Before(e.OldUntil) {
		return []string{e.Secret}
	}
	return []string{e.Secret, e.OldSecret}
}

// wants says that the endpoint is to be told of an event of a program.
func (e *Endpoint) wants(t Type, program string) bool {
	return !e.Disabled && (e.Program == "" || e.Program == program) && (len(e.Events) == 0 || slices.Contains(e.Events, t))
}

// faults collects what is wrong with one document.
type faults []affiliate.Fault

func (fs *faults) add(field, format string, args ...any) {
	*fs = append(*fs, affiliate.Fault{Field: field, Message: fmt.Sprintf(format, args...)})
}

func (fs faults) err(what string) error {
	if len(fs) == 0 {
		return nil
	}
	return &affiliate.Error{Code: affiliate.Invalid, Message: what, Faults: fs}
}

// addHandle checks a name by the rule that names have everywhere.
func (fs *faults) addHandle(field, name string) {
	program := affiliate.Program{ID: name}
	program.Normalize()
	if err, ok := program.Validate().(*affiliate.Error); ok {
		fs.add(field, "%s", err.Faults[0].Message)
	}
}

func (fs *faults) addTypes(field string, types, known []Type) {
	for i, t := range types {
		if !slices.Contains(known, t) {
			fs.add(fmt.Sprintf("%s[%d]", field, i), "%q is not one of %s", clip(string(t), 60), list(known))
			return
		}
	}
}

func (fs *faults) addURL(field, url string, p Policy) {
	if fault := p.urlFault(url); fault != "" {
		fs.add(field, "%s", fault)
	}
}

func list(types []Type) string {
	texts := make([]string, len(types))
	for i, t := range types {
		texts[i] = string(t)
	}
	return strings.Join(texts, ", ")
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
