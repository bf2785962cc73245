package settlement

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/store"
)

// evidence is what a transaction is settled by beside its reports. It is kept with the
// conversions, so that they can be settled again: what the program said when the first report
// came, whose a coupon was, and what had been before the order stay as they were found.
type evidence struct {
	Mode        affiliate.DuplicateMode `json:"mode"`
	Attribution affiliate.Attribution   `json:"attribution"`
	Path        []affiliate.PathTouch   `json:"-"`                // kept beside it
	Owners      map[string]string       `json:"owners,omitempty"` // of coupons that were somebody's
	// Volume and OrdersBefore count what was known when the order became known.
	Counted      bool             `json:"counted,omitempty"`
	Volume       map[string]int64 `json:"volume,omitempty"`
	OrdersBefore int              `json:"orders_before,omitempty"`
	// Payments are those of one conversion, unlike all else.
	Payments []commission.Payment `json:"payments,omitempty"`

	facts    commission.Facts
	lacking  bool // a click that the reports name is not known
	visitor  string
	customer string
}

// gather finds all that is known of a transaction. reports are in the order of their time.
func (o *Office) gather(r reader, programs *programs, p *affiliate.Program, tx transaction, reports []affiliate.Report, before []store.Conversion, found *findings) (*evidence, error) {
	e := &evidence{Mode: p.Settlement.Duplicates, Attribution: p.Settlement.Attribution}
	for i := range before {
		if err := e.remember(&before[i]); err != nil {
			return nil, err
		}
	}
	e.addFound(p.ID, reports, found)
	at := o.now()
	for i := range reports {
		e.customer = first(e.customer, reports[i].CustomerID)
		at = earlier(at, reports[i].At)
	}
	pinned := *p.Settlement
	pinned.Duplicates, pinned.Attribution = e.Mode, e.Attribution
	e.facts.Reports = reports
	if err := e.findOwners(programs, p.ID); err != nil {
		return nil, err
	}
	if err := e.count(r, p, at, reports); err != nil {
		return nil, err
	}
	e.facts = commission.Facts{Settlement: &pinned, Side: p.Side, Reports: reports, Path: e.Path,
		Volume: e.Volume, OrdersBefore: e.OrdersBefore, Now: o.now()}
	var err error
	e.facts.PartnerTerms, err = programs.terms(p.ID)
	return e, err
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// remember takes over what is kept with a conversion of the transaction. All of them keep the
// same; where one was settled before another, they are joined.
func (e *evidence) remember(c *store.Conversion) error {
	kept := evidence{}
	if err := errors.Join(decode(c.Evidence, &kept), decode(c.Path, &kept.Path)); err != nil {
		return err
	}
	if kept.Mode != "" {
		e.Mode, e.Attribution = kept.Mode, kept.Attribution
	}
	for _, t := range kept.Path {
		e.add(t)
	}
	for coupon, owner := range kept.Owners {
		e.own(coupon, owner)
	}
	if kept.Counted {
		e.Counted, e.Volume, e.OrdersBefore = true, kept.Volume, kept.OrdersBefore
	}
	e.visitor = first(e.visitor, c.Visitor)
	return nil
}

func (e *evidence) own(coupon, owner string) {
	if e.Owners == nil {
		e.Owners = map[string]string{}
	}
	e.Owners[coupon] = owner
}

// findOwners looks up whose the coupons of the reports are, each once.
func (e *evidence) findOwners(programs *programs, program string) error {
	for i := range e.facts.Reports {
		coupon := affiliate.CanonicalCoupon(e.facts.Reports[i].Coupon)
		if _, met := e.Owners[coupon]; met || coupon == "" {
			continue
		}
		owner, err := programs.owner(program, coupon)
		if err != nil {
			return err
		}
		if owner != "" {
			e.own(coupon, owner)
		}
	}
	return nil
}

// couponOf returns the first coupon of an order, by the time of its report, that is
// somebody's, and whose. Where a transaction has several orders each has its own.
func (e *evidence) couponOf(order string) (coupon, owner string) {
	for i := range e.facts.Reports {
		r := &e.facts.Reports[i]
		switch e.Mode {
		case affiliate.AcceptNew, affiliate.AcceptFlagged:
			if order != "" && r.ID != order {
				continue
			}
		case affiliate.ByEvent:
			if r.Event != order && r.Event != "" {
				continue
			}
		}
		if owner := e.Owners[affiliate.CanonicalCoupon(r.Coupon)]; owner != "" {
			return r.Coupon, owner
		}
	}
	return "", ""
}

func (e *evidence) add(t affiliate.PathTouch) {
	if !slices.ContainsFunc(e.Path, func(known affiliate.PathTouch) bool { return known.ClickID == t.ClickID }) {
		e.Path = append(e.Path, t)
	}
}

// addFound adds the clicks that were looked up: valid ones on links of the program.
func (e *evidence) addFound(program string, reports []affiliate.Report, found *findings) {
	for i := range reports {
		for _, id := range clicksOf(&reports[i]) {
			t, ok := found.clicks[id]
			if !ok {
				e.lacking = e.lacking || !slices.ContainsFunc(e.Path, func(known affiliate.PathTouch) bool { return known.ClickID == id.String() })
				continue
			}
			e.visitor = first(e.visitor, t.Visitor.String())
			if t.Valid && t.Program == program {
				e.add(touchOf(t))
			}
			for _, other := range found.visits[visitor{program, t.Visitor}] {
				e.add(touchOf(other))
			}
		}
	}
	slices.SortFunc(e.Path, func(a, b affiliate.PathTouch) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.ClickID, b.ClickID)
	})
}

// count reads what the terms ask of the past, once: a partner's volume of the month, and
// the customer's earlier orders. What comes or is reversed later changes neither.
func (e *evidence) count(r reader, p *affiliate.Program, at time.Time, reports []affiliate.Report) error {
	ordered := slices.ContainsFunc(reports, func(r affiliate.Report) bool { return r.Status != affiliate.ReportReversed })
	if e.Counted || !ordered || e.lacking && len(e.Path) == 0 {
		return nil
	}
	e.Counted = true
	if hasTiers(p.Settlement) {
		month := time.Date(at.UTC().Year(), at.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
		e.Volume = map[string]int64{}
		for _, partner := range e.partners() {
			volume, err := r.books.Volume(p.ID, partner, month, at)
			if err != nil {
				return err
			}
			e.Volume[partner] = volume
		}
	}
	if e.customer == "" {
		return nil
	}
	var err error
	e.OrdersBefore, err = r.books.CustomerOrders(p.ID, e.customer, at)
	return err
}

// partners are those who may earn by it.
func (e *evidence) partners() (all []string) {
	for _, t := range e.Path {
		all = append(all, t.Partner)
	}
	for _, owner := range e.Owners {
		all = append(all, owner)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func hasTiers(s *affiliate.Settlement) bool {
	return slices.ContainsFunc(s.Terms, func(t affiliate.CommissionTerms) bool {
		return slices.ContainsFunc(t.Rates, func(r affiliate.Rate) bool { return len(r.Tiers) > 0 })
	})
}
