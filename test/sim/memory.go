package sim

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// memory is a store.Store without a disk, as far as the settlement uses one: documents and
// books. It is there for speed, and as a second opinion of SQLite: the same
// seed must give the same postings on both. Whatever else is asked of it panics.
type memory struct {
	mu   sync.RWMutex
	undo []func() // of the running Update

	documents   map[store.Kind]*shelf
	digests     map[string]string // program and digest to the report's id
	reports     map[transaction][]affiliate.Report
	conversions map[string]*store.Conversion
	ofTx        map[transaction][]string
	ofProgram   map[string][]string
	due         map[string]time.Time
	postings    []ledger.Posting
	postingIDs  map[string]int
	ofSubject   map[string][]int
	ofAccount   map[ledger.Account][]int
	balances    ledger.Balances
}

// transaction is a merchant's id of an order or several.
type transaction struct{ program, id string }

// shelf are the documents of one kind.
type shelf struct {
	keys   []string // sorted
	bodies map[string]store.Document
}

func newMemory() *memory {
	return &memory{
		documents: map[store.Kind]*shelf{}, digests: map[string]string{}, reports: map[transaction][]affiliate.Report{},
		conversions: map[string]*store.Conversion{}, ofTx: map[transaction][]string{}, ofProgram: map[string][]string{}, due: map[string]time.Time{},
		postingIDs: map[string]int{}, ofSubject: map[string][]int{}, ofAccount: map[ledger.Account][]int{}, balances: ledger.Balances{},
	}
}

func (m *memory) View(_ context.Context, fn func(store.Reader) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return fn(view{m})
}

func (m *memory) Update(_ context.Context, fn func(store.Writer) error) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.undo = m.undo[:0]
	ended := false
	defer func() {
		if ended && err == nil {
			return
		}
		for _, take := range slices.Backward(m.undo) {
			take()
		}
	}()
	err = fn(update{m})
	ended = true
	return err
}

func (m *memory) Close() error { return nil }

// back remembers how to take a change back.
func (m *memory) back(take func()) { m.undo = append(m.undo, take) }

type view struct{ m *memory }

func (v view) Documents() store.DocumentReader { return documents(v) }
func (v view) Books() store.BooksReader        { return books{m: v.m} }
func (v view) Links() store.LinkReader         { panic("BUG: the simulation keeps no links") }
func (v view) Changes() store.ChangeReader     { panic("BUG: the simulation keeps no log") }

type update struct{ m *memory }

func (u update) Documents() store.Documents { return documents(u) }
func (u update) Books() store.Books         { return books{m: u.m} }
func (u update) Links() store.Links         { panic("BUG: the simulation keeps no links") }
func (u update) Changes() store.Changes     { panic("BUG: the simulation keeps no log") }

type documents struct{ m *memory }

func (d documents) Get(kind store.Kind, key string) (store.Document, error) {
	if s := d.m.documents[kind]; s != nil {
		if doc, ok := s.bodies[key]; ok {
			doc.Body = bytes.Clone(doc.Body)
			return doc, nil
		}
	}
	return store.Document{}, affiliate.Errorf(affiliate.NotFound, "there is no %s %q", kind, key)
}

func (d documents) List(kind store.Kind, prefix string) (found []store.Document, err error) {
	s := d.m.documents[kind]
	if s == nil {
		return nil, nil
	}
	at, _ := slices.BinarySearch(s.keys, prefix)
	for ; at < len(s.keys) && strings.HasPrefix(s.keys[at], prefix); at++ {
		found = append(found, s.bodies[s.keys[at]])
	}
	return found, nil
}

func (d documents) Put(kind store.Kind, doc store.Document) error {
	s := d.m.documents[kind]
	if s == nil {
		s = &shelf{bodies: map[string]store.Document{}}
		d.m.documents[kind] = s
	}
	doc.Body = bytes.Clone(doc.Body)
	before, was := s.bodies[doc.Key]
	if !was {
		at, _ := slices.BinarySearch(s.keys, doc.Key)
		s.keys = slices.Insert(s.keys, at, doc.Key)
	}
	s.bodies[doc.Key] = doc
	d.m.back(func() {
		if was {
			s.bodies[doc.Key] = before
			return
		}
		delete(s.bodies, doc.Key)
		at, _ := slices.BinarySearch(s.keys, doc.Key)
		s.keys = slices.Delete(s.keys, at, at+1)
	})
	return nil
}

func (d documents) Delete(kind store.Kind, key string) error {
	before, err := d.Get(kind, key)
	if err != nil {
		return err
	}
	s := d.m.documents[kind]
	delete(s.bodies, key)
	at, _ := slices.BinarySearch(s.keys, key)
	s.keys = slices.Delete(s.keys, at, at+1)
	d.m.back(func() {
		s.bodies[key] = before
		s.keys = slices.Insert(s.keys, at, key)
	})
	return nil
}
func (d documents) Sweep(time.Time) (int64, error) { panic("BUG: the simulation sweeps no documents") }

// books embeds the whole contract: what the settlement does not use is nil, and panics.
type books struct {
	store.Books
	m *memory
}

func (b books) AddReports(batch []store.Report) (known []int, err error) {
	for i := range batch {
		r := batch[i].Report
		if batch[i].Digest == "" {
			return nil, affiliate.Errorf(affiliate.Invalid, "the report %q has no digest", r.ID)
		}
		key := r.Program + "\n" + batch[i].Digest
		if _, ok := b.m.digests[key]; ok {
			known = append(known, i)
			continue
		}
		tx := transaction{r.Program, r.Tx}
		at, taken := slices.BinarySearchFunc(b.m.reports[tx], r.ID, func(r affiliate.Report, id string) int { return cmp.Compare(r.ID, id) })
		if taken {
			return nil, affiliate.Errorf(affiliate.Conflict, "another report of the transaction %q has the id %q", r.Tx, r.ID)
		}
		before := b.m.reports[tx]
		b.m.digests[key] = r.ID
		b.m.reports[tx] = slices.Insert(slices.Clone(before), at, cloneReport(r))
		b.m.back(func() {
			delete(b.m.digests, key)
			b.m.reports[tx] = before
		})
	}
	return known, nil
}

// cloneReport shares nothing with what it copies.
func cloneReport(r affiliate.Report) affiliate.Report {
	for _, m := range []**affiliate.Money{&r.Amount, &r.Payout, &r.Received} {
		if *m != nil {
			own := **m
			*m = &own
		}
	}
	if r.Rate != nil {
		own := *r.Rate
		r.Rate = &own
	}
	r.Touches, r.Subs = slices.Clone(r.Touches), slices.Clone(r.Subs)
	return r
}

func (b books) Reports(program, tx string) ([]affiliate.Report, error) {
	found := slices.Clone(b.m.reports[transaction{program, tx}])
	for i := range found {
		found[i] = cloneReport(found[i])
	}
	return found, nil
}

func (b books) PutConversion(c store.Conversion) error {
	for _, t := range []*time.Time{&c.At, &c.Updated, &c.Due, &c.ClickAt} {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Millisecond)
		}
	}
	c.Shares, c.Path, c.Rulings = bytes.Clone(c.Shares), bytes.Clone(c.Path), bytes.Clone(c.Rulings)
	tx, before := transaction{c.Program, c.Tx}, b.m.conversions[c.ID]
	ofTx, ofProgram := b.m.ofTx[tx], b.m.ofProgram[c.Program]
	b.m.conversions[c.ID] = &c
	b.setDue(c.ID, c.Due)
	if before == nil {
		b.m.ofTx[tx] = append(slices.Clip(ofTx), c.ID)
		b.m.ofProgram[c.Program] = append(ofProgram, c.ID)
	}
	b.m.back(func() {
		if before != nil {
			b.m.conversions[c.ID] = before
			b.setDue(c.ID, before.Due)
			return
		}
		delete(b.m.conversions, c.ID)
		b.setDue(c.ID, time.Time{})
		b.m.ofTx[tx], b.m.ofProgram[c.Program] = ofTx, ofProgram
	})
	return nil
}

func (b books) setDue(id string, due time.Time) {
	if due.IsZero() {
		delete(b.m.due, id)
	} else {
		b.m.due[id] = due
	}
}

func (b books) Conversion(id string) (store.Conversion, error) {
	c := b.m.conversions[id]
	if c == nil {
		return store.Conversion{}, affiliate.Errorf(affiliate.NotFound, "there is no conversion %q", id)
	}
	return cloneConversion(c), nil
}

func cloneConversion(c *store.Conversion) store.Conversion {
	own := *c
	own.Shares, own.Path, own.Rulings = bytes.Clone(c.Shares), bytes.Clone(c.Path), bytes.Clone(c.Rulings)
	return own
}

func (b books) ConversionsOf(program, tx string) (found []store.Conversion, err error) {
	for _, id := range b.m.ofTx[transaction{program, tx}] {
		found = append(found, cloneConversion(b.m.conversions[id]))
	}
	slices.SortFunc(found, func(a, b store.Conversion) int {
		return cmp.Or(cmp.Compare(a.Ordinal, b.Ordinal), cmp.Compare(a.Event, b.Event), cmp.Compare(a.ID, b.ID))
	})
	return found, nil
}

func (b books) DueConversions(now time.Time, limit int) (found []store.Conversion, err error) {
	for id, due := range b.m.due {
		if !due.After(now) {
			found = append(found, cloneConversion(b.m.conversions[id]))
		}
	}
	slices.SortFunc(found, func(a, b store.Conversion) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
	return found[:min(len(found), limit)], nil
}

func (b books) FindConversions(q store.ConversionQuery) (found []store.Conversion, err error) {
	for _, id := range b.m.ofProgram[q.Program] {
		if c := b.m.conversions[id]; q.State == "" || c.State == q.State {
			found = append(found, cloneConversion(c))
		}
	}
	slices.SortFunc(found, func(a, b store.Conversion) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	return found[:min(len(found), q.Limit)], nil
}

func (b books) CustomerOrders(program, customer string, before time.Time) (n int, err error) {
	before = before.Truncate(time.Millisecond)
	for _, id := range b.m.ofProgram[program] {
		if c := b.m.conversions[id]; customer != "" && c.Customer == customer && c.At.Before(before) {
			n++
		}
	}
	return n, nil
}

func (b books) Volume(program, partner string, from, to time.Time) (minor int64, err error) {
	to = to.Truncate(time.Millisecond)
	for _, id := range b.m.ofProgram[program] {
		if c := b.m.conversions[id]; c.State != affiliate.Unmatched && c.Partner == partner && !c.At.Before(from) && c.At.Before(to) && c.State != affiliate.Reversed {
			minor += c.Order.Minor
		}
	}
	return minor, nil
}

func (b books) SumConversions(q store.SumQuery) ([]store.ConversionSum, error) {
	sums, err := store.NewSumming(q)
	if err != nil {
		return nil, err
	}
	for _, c := range b.m.conversions {
		cohort := c.ClickAt
		if cohort.IsZero() {
			cohort = c.At
		}
		if cohort.Before(q.From) || !q.To.IsZero() && !cohort.Before(q.To) {
			continue
		}
		if err := sums.Add(&store.SumRow{Cohort: cohort, State: c.State, Order: c.Order, Whole: c.Whole, Shares: c.Shares, Link: c.Link,
			Program: c.Program, Page: c.Page, Partner: c.Partner, Variant: c.Variant, Sub1: c.Sub1}); err != nil {
			return nil, err
		}
	}
	return sums.Sums(), nil
}

var (
	_ store.Store = (*memory)(nil)
	_ store.Books = books{}
)
