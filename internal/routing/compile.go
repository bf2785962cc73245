package routing

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// compile turns a valid link document into its record. An error means that the
// document is not valid, or names a site or program that the world lacks.
func (w *world) compile(l *affiliate.Link) ([]byte, error) {
	site := w.siteIndex(l.Site)
	if site < 0 || site > math.MaxUint16 {
		return nil, fmt.Errorf("link %d (%s): there is no site %q", l.ID, l.Slug, l.Site)
	}
	programIndex := -1
	if l.Program != "" {
		if programIndex = w.programIndex(l.Program); programIndex < 0 {
			return nil, fmt.Errorf("link %d (%s): there is no program %q", l.ID, l.Slug, l.Program)
		}
	}
	plan, err := NewPlan(l, w.program(l.Program))
	if err != nil {
		return nil, fmt.Errorf("link %d (%s): %w", l.ID, l.Slug, err)
	}
	c := compiler{link: l}
	c.b = binary.LittleEndian.AppendUint16(nil, uint16(site))
	c.string(l.Slug)
	flags := c.flags()
	c.uvarint(flags)
	c.uvarint(uint64(l.ID))
	if flags&hasProgram != 0 {
		c.uvarint(uint64(programIndex))
	}
	if flags&hasPartner != 0 {
		c.string(l.Partner)
	}
	if flags&hasPage != 0 {
		c.string(l.Page)
	}
	if flags&hasSchedule != 0 {
		c.int64(millis(l.StartsAt, math.MinInt64))
		c.int64(millis(l.EndsAt, math.MaxInt64))
	}
	if flags&passesNames != 0 {
		c.uvarint(uint64(len(l.Query.Names)))
		for _, n := range l.Query.Names {
			c.string(n)
		}
	}
	if flags&hasFallback != 0 {
		c.template(plan.Fallback)
	}
	c.destinations(plan.Destinations)
	if flags&hasRules != 0 {
		c.rules(plan.Rules)
	}
	if c.err != nil {
		return nil, fmt.Errorf("link %d (%s): %w", l.ID, l.Slug, c.err)
	}
	return c.b, nil
}

// compiler writes one record; the first error sticks.
type compiler struct {
	writer
	link *affiliate.Link
	err  error
}

func (c *compiler) flags() (f uint64) {
	l := c.link
	set := func(on bool, flag uint64) {
		if on {
			f |= flag
		}
	}
	set(l.Serving() == affiliate.Paused, isPaused)
	set(l.Serving() == affiliate.Archived, isArchived)
	set(l.StartsAt != nil || l.EndsAt != nil, hasSchedule)
	set(len(l.Rules) > 0, hasRules)
	set(l.Fallback != "", hasFallback)
	set(l.Program != "", hasProgram)
	set(l.Partner != "", hasPartner)
	set(l.Page != "", hasPage)
	set(l.Query.Mode == affiliate.QueryPass, passesQuery)
	set(l.Query.Mode == affiliate.QueryOnly, passesNames)
	set(l.DeepLink, takesDeepLink)
	set(l.BlockBots, blocksBots)
	code := max(slices.Index(affiliate.RedirectCodes, l.Code), 0)
	return f | uint64(code)<<codeShift
}

func millis(t *time.Time, otherwise int64) int64 {
	if t == nil {
		return otherwise
	}
	return t.UnixMilli()
}

// destinations writes | count | total weight | count × block(weight, down, id, templates) |.
func (c *compiler) destinations(targets []Target) {
	total := 0
	for i := range targets {
		total += targets[i].Weight
	}
	c.uvarint(uint64(len(targets)))
	c.uvarint(uint64(total))
	for i := range targets {
		c.block(func(w *writer) {
			inner := &compiler{writer: *w, link: c.link}
			inner.target(&targets[i])
			*w = inner.writer
		})
	}
}

func (c *compiler) target(t *Target) {
	c.uvarint(uint64(t.Weight))
	down := byte(0)
	if t.Down {
		down = 1
	}
	c.byte(down)
	c.string(t.ID)
	c.template(&t.Plain)
	switch {
	case !c.link.DeepLink:
	case t.Deep != nil:
		c.template(t.Deep)
	default:
		c.uvarint(0)
		c.string(t.Page.Param)
		c.block(func(w *writer) { writeParts(w, t.Page.Value) })
	}
}

// Operations of a compiled template: literal text, a macro (its number plus
// opMacro, plus opRaw), or the place where handed-on parameters go, with the name
// of the parameter that may not be among them.
const (
	opLiteral      = 0x00 // of version 1; read, not written any more
	opPacked       = 0x03 // literal text, packed as in click records
	opHandOn       = 0x01 // each with its separator in front
	opHandOnBefore = 0x02 // each with "&" behind, because a parameter follows
	opMacro        = 0x40
	opRaw          = 0x80
)

// template writes a URL template as a block of operations.
func (c *compiler) template(t *Template) {
	c.block(func(w *writer) {
		writeParts(w, t.Head)
		switch t.HandOn {
		case HandOnEnd:
			w.byte(opHandOn)
			w.string(t.PageParam)
		case HandOnBefore:
			w.byte(opHandOnBefore)
			w.string(t.PageParam)
		}
		writeParts(w, t.Tail)
	})
}

// writeParts writes literal text and macros.
func writeParts(w *writer, parts []affiliate.Part) {
	for _, p := range parts {
		if p.Macro == affiliate.MacroNone {
			writeLiteral(w, p.Literal)
		} else {
			writeMacro(w, p)
		}
	}
}

func writeLiteral(w *writer, s string) {
	if s != "" {
		w.byte(opPacked)
		w.b = affiliate.PackLink(w.b, s)
	}
}

func writeMacro(w *writer, p affiliate.Part) {
	op := opMacro + byte(p.Macro)
	if p.Raw {
		op |= opRaw
	}
	w.byte(op)
	switch p.Macro {
	case affiliate.MacroSub, affiliate.MacroQuery:
		name := p.Arg
		if p.Macro == affiliate.MacroSub {
			name = "sub" + p.Arg
		}
		w.string(name)
	}
}

// rules writes | count | count × block(id, conditions, destinations) |.
func (c *compiler) rules(rules []PlannedRule) {
	c.uvarint(uint64(len(rules)))
	for i := range rules {
		r := &rules[i]
		c.block(func(w *writer) {
			inner := &compiler{writer: *w, link: c.link}
			inner.string(r.ID)
			inner.uvarint(uint64(len(r.When)))
			for j := range r.When {
				inner.block(func(w *writer) { c.err = firstError(c.err, writeCondition(w, &r.When[j])) })
			}
			inner.destinations(r.Destinations)
			*w = inner.writer
		})
	}
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
