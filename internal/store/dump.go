package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// A store is moved to another engine as rows: what is kept, not what it means. The groups
// below are everything that a store holds, in the order in which it is moved. Engines that dump and
// load keep columns of these names; each has a test that none of its columns is left out.

// Group is rows of one kind.
type Group struct {
	Name   string
	Fields []Field
	// Key is how many of the first fields name an item. They are unique within the group, and its order.
	Key int
}

// Field is a column.
type Field struct {
	Name     string
	Number   bool // or bytes; times are Unix milliseconds, 0 for none; yes and no are 1 and 0
	Optional bool // an engine may keep NULL, which is the same as empty
}

// Groups are all there are. What is numbered keeps its number: links, changes, accounts,
// postings, rejections and messages, whose numbers are their order.
var Groups = []Group{
	group("counters", 1, "name last#"),
	group("documents", 2, "kind key body expires#"),
	group("links", 1, "id# site slug status program partner words body"),
	group("changes", 1, "seq# at# actor kind action key before? after?"),
	group("reports", 3, "program tx digest id body"),
	group("conversions", 1, "id program tx event ordinal# state at# updated# due# amount# currency shares? partner click_id click_at# "+
		"visitor coupon customer link# page variant sub1 revision# flagged# path? rulings? evidence? whole#"),
	group("accounts", 1, "id# name currency"),
	group("postings", 1, "seq# id at# why subject author note reason"),
	group("entries", 2, "posting# line# account# amount# balance#"),
	group("rejections", 1, "seq# id at# program source reason message remote raw"),
	group("messages", 1, "seq# id kind target body? not_before# attempts# last_error dead#"),
}

// group reads fields from words: # behind a name is for a number, ? for what may be NULL.
func group(name string, key int, words string) Group {
	g := Group{Name: name, Key: key}
	for word := range strings.FieldsSeq(words) {
		g.Fields = append(g.Fields, Field{Name: strings.TrimRight(word, "#?"), Number: strings.HasSuffix(word, "#"), Optional: strings.HasSuffix(word, "?")})
	}
	return g
}

// GroupNamed returns the place in Groups, -1 for an unknown name.
func GroupNamed(name string) int {
	for i := range Groups {
		if Groups[i].Name == name {
			return i
		}
	}
	return -1
}

// Names are those of its fields, and of the columns of engines that keep them so.
func (g *Group) Names() []string {
	names := make([]string, len(g.Fields))
	for i, f := range g.Fields {
		names[i] = f.Name
	}
	return names
}

// Value is that of a field: a number, or bytes.
type Value struct {
	Number int64  `json:"number,omitempty"`
	Text   []byte `json:"text,omitempty"`
}

// Item is a row of a group.
type Item struct {
	Group  int // place in Groups
	Values []Value
}

// Of is what the item is one of.
func (i *Item) Of() *Group { return &Groups[i.Group] }

// Key are the values that name it.
func (i *Item) Key() []Value { return i.Values[:Groups[i.Group].Key] }

// Clone is a copy that may be kept.
func (i *Item) Clone() Item {
	size := 0
	for _, v := range i.Values {
		size += len(v.Text)
	}
	texts := make([]byte, 0, size)
	clone := Item{Group: i.Group, Values: make([]Value, len(i.Values))}
	for n, v := range i.Values {
		from := len(texts)
		texts = append(texts, v.Text...)
		clone.Values[n] = Value{v.Number, texts[from:len(texts):len(texts)]}
	}
	return clone
}

// AppendTo writes the item so that two are written alike only if they are alike: numbers in eight
// bytes, bytes behind their length.
func (i *Item) AppendTo(b []byte) []byte {
	for n, f := range Groups[i.Group].Fields {
		if f.Number {
			b = binary.BigEndian.AppendUint64(b, uint64(i.Values[n].Number))
		} else {
			b = append(binary.AppendUvarint(b, uint64(len(i.Values[n].Text))), i.Values[n].Text...)
		}
	}
	return b
}

// Compare orders items as a dump does: by group, then by key.
func (i *Item) Compare(other *Item) int {
	if c := cmp.Compare(i.Group, other.Group); c != 0 {
		return c
	}
	for n, f := range Groups[i.Group].Fields[:Groups[i.Group].Key] {
		c := bytes.Compare(i.Values[n].Text, other.Values[n].Text)
		if f.Number {
			c = cmp.Compare(i.Values[n].Number, other.Values[n].Number)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// String names the item for people, and tells nothing else of it.
func (i *Item) String() string {
	var b strings.Builder
	for n, f := range Groups[i.Group].Fields[:Groups[i.Group].Key] {
		if n > 0 {
			b.WriteByte(' ')
		}
		if f.Number {
			fmt.Fprintf(&b, "%s %d", f.Name, i.Values[n].Number)
		} else {
			fmt.Fprintf(&b, "%s %q", f.Name, i.Values[n].Text)
		}
	}
	return b.String()
}

// Mark is a place in a dump: behind the item of a group with a key. The zero Mark is the beginning.
type Mark struct {
	Group string  `json:"group,omitempty"`
	Key   []Value `json:"key,omitempty"`
	Items int64   `json:"items,omitempty"` // until there
}

// First is the place in Groups of the group that a dump behind the mark begins with. Invalid: there is no such mark.
func (m *Mark) First() (int, error) {
	if m.Group == "" {
		return 0, nil
	}
	first := GroupNamed(m.Group)
	if first < 0 || len(m.Key) != Groups[first].Key {
		return 0, affiliate.Errorf(affiliate.Invalid, "there is no place %q in the dump of a store", m.Group)
	}
	return first, nil
}

// Dumper is a Store that tells all that it holds.
type Dumper interface {
	// Dump calls fn for the items behind a mark, by group in the order of Groups and then by key,
	// as they were at one moment. An item is fn's until it returns; an error of fn ends the dump and
	// is returned. Memory does not grow with the number of items. Invalid: there is no such mark.
	Dump(ctx context.Context, from Mark, fn func(*Item) error) error
	// Counts returns how many items each of Groups has.
	Counts(ctx context.Context) ([]int64, error)
}

// Source says what a store is filled from.
type Source struct {
	Place string // for people
	// State is the same for as long as the source is not changed.
	State string
}

// Loader is a Store that is filled with the items of another.
type Loader interface {
	// BeginLoad begins, or goes on with what was broken off of the same source. It is a Conflict
	// when the store holds something else, and Stale when the source was changed since. Until
	// Finish nobody else can write, and opening the store for anything else is a Failure because
	// of ErrUnfinished. The same goes on after a Load that is closed, or dies, without Finish.
	BeginLoad(ctx context.Context, source Source) (Load, error)
}

// Load is a store being filled.
type Load interface {
	// Mark is behind the last item that is there.
	Mark() Mark
	// Add adds items in the order of a dump. All of them and the new Mark are stored, or nothing.
	Add(ctx context.Context, items []Item) error
	// Finish makes the store one that can be used.
	Finish(ctx context.Context) error
	// Close lets go of the store; without Finish it stays unfinished.
	Close() error
}

// ErrUnfinished is the reason of a Failure to open a store that a migration has begun to fill.
var ErrUnfinished = errors.New("a migration into it is not finished")
