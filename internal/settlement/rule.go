package settlement

import (
	"context"
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

// Rule adds a person's decision about a conversion and settles it anew.
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
	ruling.ID = affiliate.NewReportID(ruling.At, o.options.Random())
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

// Adjust posts a bonus or a correction by hand, once for each ID.
func (o *Office) Adjust(ctx context.Context, a ledger.Adjustment) error {
	a.At = o.now()
	posting, err := a.Posting()
	if err != nil {
		return err
	}
	return o.options.Store.Update(ctx, func(w store.Writer) error {
		added, err := w.Books().Post([]ledger.Posting{posting})
		if err == nil && added == 0 {
			err = affiliate.Errorf(affiliate.Conflict, "there is a posting %s already", posting.ID)
		}
		return err
	})
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
