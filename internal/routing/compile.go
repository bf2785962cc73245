package routing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
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
	c := compiler{link: l, program: w.program(l.Program)}
	c.err = servable(l)
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
		c.template(l.Fallback, l.Fallback)
	}
	c.destinations(l.Destinations)
	if flags&hasRules != 0 {
		c.rules()
	}
	if c.err != nil {
		return nil, fmt.Errorf("link %d (%s): %w", l.ID, l.Slug, c.err)
	}
	return c.b, nil
}

// servable refuses what a redirect could not be made of. The catalog validates
// links; this keeps a fault there from becoming a crash here.
func servable(l *affiliate.Link) error {
	if len(l.Slug) > affiliate.SlugBytesMax {
		return fmt.Errorf("its name is longer than %d bytes", affiliate.SlugBytesMax)
	}
	if err := shareable(l.Destinations); err != nil {
		return err
	}
	for i := range l.Rules {
		if err := shareable(l.Rules[i].Destinations); err != nil {
			return fmt.Errorf("rule %q: %w", l.Rules[i].ID, err)
		}
	}
	return nil
}

func shareable(ds []affiliate.Destination) error {
	total := 0
	for _, d := range ds {
		if d.Weight < 0 {
			return fmt.Errorf("the destination %q has a negative weight", d.ID)
		}
		total += d.Weight
	}
	switch {
	case len(ds) == 0:
		return errors.New("it has no destination")
	case len(ds) > 1 && total == 0:
		return errors.New("the weights of its destinations sum to zero")
	case total > math.MaxInt32:
		return errors.New("the weights of its destinations are too large")
	}
	return nil
}

// compiler writes one record; the first error sticks.
type compiler struct {
	writer
	link    *affiliate.Link
	program *affiliate.Program
	err     error
}

func (c *compiler) flags() (f uint64) {
	l := c.link
	set := func(on bool, flag uint64) {
		if on {
			f |= flag
		}
	}
	set(l.Status == affiliate.Paused, isPaused)
	set(l.Status == affiliate.Archived, isArchived)
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
func (c *compiler) destinations(ds []affiliate.Destination) {
	total := 0
	for _, d := range ds {
		total += d.Weight
	}
	c.uvarint(uint64(len(ds)))
	c.uvarint(uint64(total))
	for _, d := range ds {
		c.block(func(w *writer) {
			inner := &compiler{writer: *w, link: c.link, program: c.program}
			inner.destination(d)
			*w, c.err = inner.writer, firstError(c.err, inner.err)
		})
	}
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (c *compiler) destination(d affiliate.Destination) {
	c.uvarint(uint64(d.Weight))
	down := byte(0)
	if d.Down {
		down = 1
	}
	c.byte(down)
	c.string(d.ID)
	target := affiliate.WithSubID(d.URL, c.link, c.program)
	c.template(target, d.URL)
	if !c.link.DeepLink {
		return
	}
	if deep := affiliate.WithDeepLink(target, c.program); deep != "" {
		c.template(deep, d.URL)
		return
	}
	// The page itself becomes the destination: it needs its own sub-ID.
	sub := affiliate.PageSubID(c.link, c.program, d.URL)
	c.uvarint(0)
	c.string(sub.Param)
	c.block(func(w *writer) { c.operations(w, sub.Value) })
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

// template writes a URL template as a block of operations. The destination is the
// template as the operator wrote it: its host tells the network.
func (c *compiler) template(s, destination string) {
	c.block(func(w *writer) {
		if c.link.Query.Mode == affiliate.QueryDrop || c.link.Query.Mode == "" {
			c.operations(w, s)
			return
		}
		at, op := handOnPlace(s, affiliate.LastParams(c.program, destination))
		c.operations(w, s[:at])
		w.byte(op)
		w.string(affiliate.DeepLinkParam(c.program, destination))
		c.operations(w, s[at:])
	})
}

// handOnPlace says where parameters are handed on: before the first parameter that
// must stay last, else at the end, before a fragment.
func handOnPlace(s string, last []string) (at int, op byte) {
	end := len(s)
	if i := strings.IndexByte(s, '#'); i >= 0 {
		end = i
	}
	if q := strings.IndexByte(s[:end], '?'); q >= 0 {
		for at := q + 1; at < end; {
			pair, _, _ := strings.Cut(s[at:end], "&")
			if name, _, _ := strings.Cut(pair, "="); slices.Contains(last, name) {
				return at, opHandOnBefore
			}
			at += len(pair) + 1
		}
	}
	return end, opHandOn
}

// operations writes literal text and macros.
func (c *compiler) operations(w *writer, s string) {
	parts, err := affiliate.CompileTemplate(s)
	c.err = firstError(c.err, err)
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
func (c *compiler) rules() {
	c.uvarint(uint64(len(c.link.Rules)))
	for i := range c.link.Rules {
		r := &c.link.Rules[i]
		c.block(func(w *writer) {
			inner := &compiler{writer: *w, link: c.link, program: c.program}
			inner.string(r.ID)
			inner.uvarint(uint64(len(r.When)))
			for j := range r.When {
				inner.block(func(w *writer) { c.err = firstError(c.err, writeCondition(w, &r.When[j])) })
			}
			inner.destinations(r.Destinations)
			*w, c.err = inner.writer, firstError(c.err, inner.err)
		})
	}
}
