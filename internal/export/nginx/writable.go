package nginx

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// handle is what ids look like that people choose. The catalog lets no others in; here it is what
// keeps them from ending a field.
var handle = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)

// writable says why a link cannot be written, or nil. The catalog has found it valid; this does
// not rely on it, because what ends a word of the configuration would be nginx's to obey.
func writable(l *affiliate.Link) error {
	if slug, ok := affiliate.CanonicalSlug(l.Slug); !ok || slug != l.Slug {
		return fmt.Errorf("its name %q is not in canonical form", l.Slug)
	}
	for _, id := range []string{l.Site, l.Program, l.Partner} {
		if !handle.MatchString(id) {
			return fmt.Errorf("%q is no id", id)
		}
	}
	if err := urlWritable(l.Fallback); err != nil {
		return fmt.Errorf("its fallback %w", err)
	}
	if err := destinationsWritable(l.Destinations); err != nil {
		return err
	}
	for i := range l.Rules {
		r := &l.Rules[i]
		if !handle.MatchString(r.ID) {
			return fmt.Errorf("%q is no id of a rule", r.ID)
		}
		if err := destinationsWritable(r.Destinations); err != nil {
			return fmt.Errorf("rule %s: %w", r.ID, err)
		}
		for j := range r.When {
			if err := conditionWritable(&r.When[j]); err != nil {
				return fmt.Errorf("rule %s: %w", r.ID, err)
			}
		}
	}
	return nil
}

func destinationsWritable(ds []affiliate.Destination) error {
	for i := range ds {
		if !handle.MatchString(ds[i].ID) {
			return fmt.Errorf("%q is no id of a destination", ds[i].ID)
		}
		if err := urlWritable(ds[i].URL); err != nil {
			return fmt.Errorf("the URL of destination %s %w", ds[i].ID, err)
		}
	}
	return nil
}

// urlWritable refuses what would end a header or stand for something else: white space, control
// characters, what is not ASCII, and "<", which marks the click id.
func urlWritable(u string) error {
	for i := 0; i < len(u); i++ {
		if c := u[i]; c <= ' ' || c >= 0x7f || c == '<' {
			return fmt.Errorf("contains %q at position %d", c, i+1)
		}
	}
	return nil
}

func conditionWritable(c *affiliate.Condition) error {
	for _, values := range [][]string{{c.Name}, c.In, c.NotIn} {
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(v) > conditionBytesMax {
				return fmt.Errorf("a condition compares with %q", v)
			}
		}
	}
	return nil
}

// conditionBytesMax is the longest value whose expression fits one word.
const conditionBytesMax = 255

// sourceFault says what of sites and programs cannot be written; without them no link can.
func sourceFault(from *export.Source) error {
	for i := range from.Sites {
		if err := from.Sites[i].Validate(); err != nil {
			return err
		}
		if err := urlWritable(from.Sites[i].DefaultURL); err != nil {
			return fmt.Errorf("the default URL of the site %s %w", from.Sites[i].ID, err)
		}
	}
	for i := range from.Programs {
		if p := &from.Programs[i]; !handle.MatchString(p.ID) || !handle.MatchString(p.PartnerParam) {
			return fmt.Errorf("the program %q, or its parameter %q, is no id", p.ID, p.PartnerParam)
		}
	}
	for i := range from.Partners {
		if p := &from.Partners[i]; !handle.MatchString(p.Code) || !handle.MatchString(p.Program) {
			return fmt.Errorf("the partner %q of %q is no id", p.Code, p.Program)
		}
	}
	return nil
}
