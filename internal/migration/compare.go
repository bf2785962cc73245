package migration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"iter"
	"strings"

	"github.com/sluicehq/sluice/internal/store"
)

// tellEvery is how many items are compared between two steps that are told.
const tellEvery = 10_000

// dump is a store's dump that is read item by item, as many at a time as the caller wants.
type dump struct {
	next func() (*store.Item, bool)
	stop func()
	err  error
	item *store.Item // nil at the end
}

func dumpOf(ctx context.Context, s store.Dumper) *dump {
	d := &dump{}
	d.next, d.stop = iter.Pull(func(yield func(*store.Item) bool) {
		d.err = s.Dump(ctx, store.Mark{}, func(item *store.Item) error {
			if !yield(item) {
				return errEnough
			}
			return nil
		})
	})
	return d
}

func (d *dump) advance() { d.item, _ = d.next() }

// sum is what is known of a group of one side.
type sum struct {
	items int64
	hash  hash.Hash
}

// group is a group while it is compared.
type group struct {
	from, to  sum
	differing int64
	first     string
}

func (g *group) differs(how string) {
	if g.differing++; g.differing == 1 {
		g.first = how
	}
}

// compare reads both sides at once, in their common order, and notes every group.
func (m *mover) compare(ctx context.Context) error {
	groups := make([]group, len(store.Groups))
	for i := range groups {
		groups[i].from.hash, groups[i].to.hash = sha256.New(), sha256.New()
	}
	from, to := dumpOf(ctx, m.From), dumpOf(ctx, m.To)
	defer from.stop()
	defer to.stop()
	books := newBooks()
	var a, b []byte
	from.advance()
	to.advance()
	for done := int64(0); from.item != nil || to.item != nil; {
		order := 0
		switch {
		case to.item == nil:
			order = -1
		case from.item == nil:
			order = 1
		default:
			order = from.item.Compare(to.item)
		}
		if order <= 0 {
			a = from.item.AppendTo(a[:0])
			groups[from.item.Group].from.add(a)
		}
		if order >= 0 {
			b = to.item.AppendTo(b[:0])
			groups[to.item.Group].to.add(b)
			books.add(to.item)
		}
		switch {
		case order < 0:
			groups[from.item.Group].differs(from.item.String() + " is missing in the target")
		case order > 0:
			groups[to.item.Group].differs(to.item.String() + " is in the target and not in the source")
		case !bytes.Equal(a, b):
			groups[from.item.Group].differs(from.item.String() + " differs in " + differing(from.item, to.item))
		}
		if order <= 0 {
			from.advance()
			if done++; done%tellEvery == 0 {
				m.tell("comparing the store", done)
			}
		}
		if order >= 0 {
			to.advance()
		}
	}
	if from.err != nil || to.err != nil {
		return firstOf(from.err, to.err)
	}
	for i := range groups {
		m.note(store.Groups[i].Name, &groups[i])
	}
	return m.compareBooks(ctx, books)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// add takes an item as it is written. Its length goes along, so that two items are never taken
// for two others.
func (s *sum) add(b []byte) {
	s.items++
	n := len(b)
	_, _ = s.hash.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	_, _ = s.hash.Write(b)
}

// note adds a group to the report.
func (m *mover) note(name string, g *group) {
	a, b := g.from.hash.Sum(nil), g.to.hash.Sum(nil)
	same := g.differing == 0 && g.from.items == g.to.items && bytes.Equal(a, b)
	m.report.Compared = append(m.report.Compared, Compared{Group: name, Items: g.from.items, Checksum: hexOf(a), Same: same})
	if same {
		return
	}
	if g.differing == 0 {
		g.first = fmt.Sprintf("BUG: %d items with the checksum %s are %d with %s in the target", g.from.items, hexOf(a), g.to.items, hexOf(b))
	}
	m.report.Differences = append(m.report.Differences, Difference{Group: name, Items: g.differing, First: g.first})
}

// differing names the fields in which two items of one key differ.
func differing(a, b *store.Item) string {
	var names []string
	for i, f := range a.Of().Fields {
		if a.Values[i].Number != b.Values[i].Number || !bytes.Equal(a.Values[i].Text, b.Values[i].Text) {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, ", ")
}
