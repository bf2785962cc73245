package ingest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

// Options of an Intake. Table, Journal, Keys and Anonymous must be set.
type Options struct {
	// Table returns the routing table that holds now.
	Table func() *routing.Table
	// Journal takes the clicks. Nobody else's records should be lost when it is full.
	Journal Journal
	// Keys returns the key of a site with this number. It is an error that carries
	// affiliate.NotFound when there is none that is accepted.
	Keys func(ctx context.Context, site string, number int) ([]byte, error)
	// Anonymous names the visitor of a click that names none.
	Anonymous func(c *affiliate.Click, now time.Time) affiliate.VisitorID
	// SiteOfLink says whose a link is, "" when it is not there any more. It is asked about
	// links that are not where a site's click says they are. Nil: not asked.
	SiteOfLink func(ctx context.Context, link int64) (site string, err error)
	// AgeMax is how old a click may be that comes in a signed batch; AgeDefault when zero. An
	// operator's log may be older.
	AgeMax time.Duration
	// RequestsMax is how many requests are worked on at the same time, and share syncs; 16
	// when zero. Each takes some 2 MB.
	RequestsMax int
	Now         func() time.Time
	Logger      *slog.Logger
}

// AgeDefault is how old a click may be: longer than any attribution window, and than
// logs are kept.
const AgeDefault = 400 * 24 * time.Hour

// Intake takes clicks in. It is safe for concurrent use.
type Intake struct {
	options    Options
	syncs      syncs
	room       chan struct{} // holds one per request that is worked on
	converters sync.Pool
	buffers    sync.Pool    // of bodies
	bodies     atomic.Int64 // bytes of those that are being read

	taken, refused, lost                atomic.Int64
	requests, unsigned, busy, journaled atomic.Int64

	mu      sync.Mutex
	senders map[sender]*Sender
}

// New returns an Intake.
func New(o Options) *Intake {
	o.AgeMax = cmp.Or(o.AgeMax, AgeDefault)
	o.RequestsMax = cmp.Or(o.RequestsMax, 16)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	i := &Intake{options: o, syncs: syncs{journal: o.Journal}, room: make(chan struct{}, o.RequestsMax), senders: map[sender]*Sender{}}
	i.converters.New = func() any { return newConverter(&i.options) }
	return i
}

// enter takes one of the places for requests, or says that there is none.
func (i *Intake) enter() bool {
	select {
	case i.room <- struct{}{}:
		return true
	default:
		i.busy.Add(1)
		return false
	}
}

func (i *Intake) leave() { <-i.room }

// store puts the converter's records into the journal and on the disk. When only some have
// found room nobody is told that any has: sent again, they count once.
func (i *Intake) store(v *converter) error {
	records := v.batch()
	if len(records) == 0 {
		return nil
	}
	_, err := i.options.Journal.AppendAll(records)
	if err == nil {
		err = i.syncs.sync()
	}
	if err != nil {
		i.journaled.Add(1)
		i.options.Logger.Error("clicks from elsewhere cannot be stored; their sender was told to keep them", "clicks", len(records), "reason", err)
		return affiliate.Errorf(affiliate.Unavailable, "the clicks could not be stored (%s); keep them and send them again", err)
	}
	i.taken.Add(int64(len(records)))
	return nil
}

// Stats are the counts since the start.
type Stats struct {
	Taken    int64 // clicks in the journal
	Refused  int64 // lines of logs that could not be taken
	Lost     int64 // clicks that senders say they have given up
	Requests int64 // signed batches, refused ones too
	Unsigned int64 // of them, those without a good signature
	Busy     int64 // turned away because too many came at the same time
	Unstored int64 // turned away because the journal could not take them
	Senders  []Sender
}

// sender is who signs.
type sender struct {
	site   string
	number int
}

// Sender is a site's key that has been used since the start, and how its clock goes.
type Sender struct {
	Site   string
	Number int
	Clicks int64
	Last   time.Time // when a batch came
	// Skew is how far the sender's clock was ahead of ours then, with the way of the
	// message against it.
	Skew time.Duration
	// Newest is the time of the newest click of that batch.
	Newest time.Time
}

// sendersMax bounds what is remembered; there are two keys for a site or so.
const sendersMax = 10_000

// heard remembers a batch that was stored.
func (i *Intake) heard(from sender, skew time.Duration, v *converter) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.senders[from]
	if s == nil {
		if len(i.senders) >= sendersMax {
			return
		}
		s = &Sender{Site: from.site, Number: from.number}
		i.senders[from] = s
	}
	s.Clicks += int64(len(v.ends))
	s.Last, s.Skew = v.now, skew
	if len(v.ends) > 0 {
		s.Newest = v.newest
	}
}

// Stats returns the counts since the start.
func (i *Intake) Stats() Stats {
	s := Stats{Taken: i.taken.Load(), Refused: i.refused.Load(), Lost: i.lost.Load(), Requests: i.requests.Load(),
		Unsigned: i.unsigned.Load(), Busy: i.busy.Load(), Unstored: i.journaled.Load()}
	i.mu.Lock()
	for _, one := range i.senders {
		s.Senders = append(s.Senders, *one)
	}
	i.mu.Unlock()
	slices.SortFunc(s.Senders, func(a, b Sender) int { return cmp.Or(cmp.Compare(a.Site, b.Site), a.Number-b.Number) })
	return s
}

func (s sender) String() string { return fmt.Sprintf("%s.%d", s.site, s.number) }
