package commission

import (
	"cmp"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// rulings are the decisions of people about one conversion, taken together.
type rulings struct {
	approvedBy *Ruling // the latest of approve and reverse in full, when it approves
	reversedBy *Ruling // the same, when it reverses
	taken      int64   // by reversals in part, minor units
	strange    bool    // an amount is in another currency
	holds      []hold  // by begin
	held       *Ruling // the hold that no release has ended
	released   *Ruling // the first release
}

// hold is a time in which nothing but a person approves: begin <= t < end.
type hold struct {
	begin, end time.Time // end zero: it has none
	by         *Ruling   // nil: a flag
}

// readRulings sorts a copy; a ruling that is there twice counts once.
func readRulings(all []Ruling, currency affiliate.Currency) rulings {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b Ruling) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Do, b.Do), cmp.Compare(minor(a.Amount), minor(b.Amount)))
	})
	sorted = slices.CompactFunc(sorted, func(a, b Ruling) bool { return a.ID != "" && a.ID == b.ID })
	var rs rulings
	for i := range sorted {
		rs.read(&sorted[i], currency)
	}
	return rs
}

func (rs *rulings) read(r *Ruling, currency affiliate.Currency) {
	switch r.Do {
	case Approve:
		rs.approvedBy, rs.reversedBy = r, nil
	case Reverse:
		switch {
		case minor(r.Amount) == 0:
			rs.approvedBy, rs.reversedBy = nil, r
		case r.Amount.Currency != currency:
			rs.strange = true
		default:
			rs.taken = plus(rs.taken, magnitude(r.Amount.Minor))
		}
	case Hold:
		if rs.held == nil {
			rs.held = r
			rs.holds = append(rs.holds, hold{begin: r.At, by: r})
		}
	case Release:
		if rs.released == nil {
			rs.released = r
		}
		if rs.held != nil {
			rs.holds[len(rs.holds)-1].end = r.At
			rs.held = nil
		}
	}
}

func minor(m *affiliate.Money) int64 {
	if m == nil {
		return 0
	}
	return m.Minor
}
