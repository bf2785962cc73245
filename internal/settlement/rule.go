package settlement

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// endOfBooks asks the store for what holds now.
var endOfBooks time.Time

// rulingsMax bounds what people may decide about one conversion.
const rulingsMax = 100

// Rule adds a person's decision about a conversion and settles it anew. A decision with an ID is
// made once: the same again returns the conversion as it stands and changes nothing, another of
// that ID is a Conflict. Without an ID it is given one.
func (o *Office) Rule(ctx context.Context, conversion string, ruling commission.Ruling) (c store.Conversion, err error) {
	if ruling.Author == "" {
		return c, affiliate.Errorf(affiliate.Invalid, "the decision has no author")
	}
	switch ruling.Do {
	case commission.Approve, commission.Reverse, commission.Hold, commission.Release:
	default:
		return c, affiliate.Errorf(affiliate.Invalid, "%q is not a decision; use approve, reverse, hold or release", ruling.Do)
	}
	ruling.At = o.now()
	if ruling.ID == "" {
		ruling.ID = affiliate.NewReportID(ruling.At, o.options.Random())
	}
	found, err := o.findAgain(ctx, conversion)
	if err != nil {
		return c, err
	}
	err = o.options.Store.Update(ctx, func(w store.Writer) error {
		if c, err = w.Books().Conversion(conversion); err != nil {
			return err
		}
		var rulings []commission.Ruling
		if err := decode(c.Rulings, &rulings); err != nil {
			return err
		}
		if i := slices.IndexFunc(rulings, func(r commission.Ruling) bool { return r.ID == ruling.ID }); i >= 0 {
			return sameRuling(&rulings[i], &ruling)
		}
		if len(rulings) >= rulingsMax {
			return affiliate.Errorf(affiliate.TooLarge, "there are %d decisions about the conversion %s already", len(rulings), conversion)
		}
		if n := len(rulings); n > 0 && !ruling.At.After(rulings[n-1].At) {
			ruling.At = rulings[n-1].At.Add(time.Millisecond) // of two decisions the one that was made later decides
		}
		c.Rulings = encode(append(rulings, ruling))
		if err := w.Books().PutConversion(c); err != nil { // settle reads it
			return err
		}
		if _, err := o.settle(w, transaction{c.Program, c.Tx}, found); err != nil {
			return err
		}
		c, err = w.Books().Conversion(conversion)
		return err
	})
	return c, err
}

// sameRuling says whether a decision came before, all of it but its time, or Conflict.
func sameRuling(before, now *commission.Ruling) error {
	a, b := *before, *now
	a.At = b.At
	if bytes.Equal(encode(a), encode(b)) {
		return nil
	}
	return affiliate.Errorf(affiliate.Conflict, "the decision %q was made already, as another: %s by %s; use a new id for a new decision", a.ID, a.Do, a.Author)
}

// findAgain looks for the clicks of a conversion: nobody may have, for long.
func (o *Office) findAgain(ctx context.Context, conversion string) (*findings, error) {
	var s search
	err := o.options.Store.View(ctx, func(view store.Reader) error {
		r := viewing(view)
		c, err := r.books.Conversion(conversion)
		if err != nil {
			return err
		}
		programs := &programs{documents: r.documents}
		if s.program, err = programs.get(c.Program); err != nil {
			return err
		}
		s.reports, err = reportsOf(r.books, transaction{c.Program, c.Tx})
		return err
	})
	if err != nil {
		return nil, err
	}
	found, err := o.lookUp(ctx, []search{s})
	if err != nil {
		o.options.Logger.Warn("clicks cannot be looked up; the conversion is decided without", "conversion", conversion, "reason", err)
	}
	return found, nil
}

// Adjust posts a bonus or a correction by hand, once for each ID: the same again changes
// nothing, another of that ID is a Conflict.
func (o *Office) Adjust(ctx context.Context, a ledger.Adjustment) error {
	a.At = o.now()
	posting, err := a.Posting()
	if err != nil {
		return err
	}
	return o.options.Store.Update(ctx, func(w store.Writer) error {
		added, err := w.Books().Post([]ledger.Posting{posting})
		if err != nil || added > 0 {
			return err
		}
		before, err := w.Books().Postings(store.PostingQuery{Subject: posting.Subject, Limit: 1})
		if err != nil {
			return err
		}
		if len(before) != 1 || !samePosting(&before[0], &posting) {
			return affiliate.Errorf(affiliate.Conflict, "the adjustment %q was posted already, with another content; use a new id for a new one", a.ID)
		}
		return nil
	})
}

// samePosting compares all but the time.
func samePosting(a, b *ledger.Posting) bool {
	return a.ID == b.ID && a.Why == b.Why && a.Author == b.Author && a.Note == b.Note && a.Reason == b.Reason && slices.Equal(a.Entries, b.Entries)
}

// Explanation is why a conversion is what it is.
type Explanation struct {
	Conversion store.Conversion      `json:"conversion"`
	Reports    []affiliate.Report    `json:"reports"`
	Path       []affiliate.PathTouch `json:"path"`
	Rulings    []commission.Ruling   `json:"rulings"`
	Shares     []commission.Share    `json:"shares"`
	Steps      []commission.Step     `json:"steps"`
	Postings   []ledger.Posting      `json:"postings"`
}

// Explain derives a conversion again from what is stored, and says every step, with the
// entries that were posted for it.
func (o *Office) Explain(ctx context.Context, conversion string) (x Explanation, err error) {
	err = o.options.Store.View(ctx, func(view store.Reader) error {
		r := viewing(view)
		if x.Conversion, err = r.books.Conversion(conversion); err != nil {
			return err
		}
		c := x.Conversion
		programs := &programs{documents: r.documents}
		p, err := programs.get(c.Program)
		if err != nil {
			return err
		}
		if x.Reports, err = reportsOf(r.books, transaction{c.Program, c.Tx}); err != nil {
			return err
		}
		before, err := r.books.ConversionsOf(c.Program, c.Tx)
		if err != nil {
			return err
		}
		e, err := o.gather(r, programs, p, transaction{c.Program, c.Tx}, x.Reports, before, newFindings())
		if err != nil {
			return err
		}
		facts := e.facts
		facts.Order = c.Event
		_, facts.Coupon = e.couponOf(c.Event)
		if err := decode(c.Rulings, &facts.Rulings); err != nil {
			return err
		}
		if facts.Payments, err = paymentsOf(&c); err != nil {
			return err
		}
		out := commission.Settle(&facts)
		x.Path, x.Rulings, x.Shares, x.Steps = e.Path, facts.Rulings, out.Shares, out.Steps
		x.Postings, err = r.books.Postings(store.PostingQuery{Subject: c.ID, Limit: postingsMax})
		return err
	})
	return x, err
}

// postingsMax bounds an explanation: a conversion that was changed more often shows its latest.
const postingsMax = 1000
