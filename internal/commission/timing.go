package commission

import (
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// timing is what the clock, reports and people make of a conversion that is neither
// reversed nor unmatched.
type timing struct {
	state affiliate.State
	due   time.Time
	held  bool
}

// decide says whether the conversion is approved, and when the clock will do it. A hold
// stops the clock and the sender's approval, unless it came after them; a person
// decides at once.
func decide(f *Facts, o *order, rs rulings, priced []earnings, x *explanation) timing {
	if r := rs.approvedBy; r != nil {
		x.say("state", "approved: %s decided so at %s", r.Author, moment(r.At))
		return timing{state: affiliate.Approved}
	}
	holds := rs.holds
	if o.flagged {
		flag := hold{}
		if rs.released != nil {
			flag.end = rs.released.At
		}
		holds = append([]hold{flag}, holds...)
	}
	if !o.approved.IsZero() {
		if at, ok := after(o.approved, holds); ok {
			x.say("state", "approved: the sender says so, from %s", moment(at))
			return timing{state: affiliate.Approved}
		}
		x.say("hold", "the sender approves at %s, while the conversion is held", moment(o.approved))
	}
	held := rs.held != nil || o.flagged && rs.released == nil
	lock, ok := locked(o, priced, x)
	if ok {
		var due time.Time
		if due, ok = after(lock, holds); ok {
			return byClock(f.Now, due, held, x)
		}
	}
	switch {
	case rs.held != nil:
		x.say("state", "pending: held by %s since %s", rs.held.Author, moment(rs.held.At))
	case held:
		x.say("state", "pending: held for a person")
	default:
		x.say("state", "pending: until the merchant or a person approves")
	}
	return timing{state: affiliate.Pending, held: held}
}

func byClock(now, due time.Time, held bool, x *explanation) timing {
	if now.Before(due) {
		x.say("state", "pending: until %s", moment(due))
		return timing{state: affiliate.Pending, due: due, held: held}
	}
	x.say("state", "approved: since %s", moment(due))
	return timing{state: affiliate.Approved}
}

// after is t, or the end of the holds that it falls into; not ok: they have no end.
func after(t time.Time, holds []hold) (time.Time, bool) {
	for _, h := range holds {
		switch {
		case h.begin.After(t) || !h.end.IsZero() && !h.end.After(t):
		case h.end.IsZero():
			return time.Time{}, false
		default:
			t = h.end
		}
	}
	return t, true
}

// locked is when the clock approves: the latest moment of the terms that the credits fall
// under. Not ok: one of them leaves it to people, or there are none.
func locked(o *order, priced []earnings, x *explanation) (time.Time, bool) {
	var latest time.Time
	explained := map[*affiliate.CommissionTerms]bool{}
	for _, e := range priced {
		if e.terms == nil || e.terms.Manual {
			x.say("hold", "the clock approves nothing under these terms")
			return time.Time{}, false
		}
		if explained[e.terms] {
			continue
		}
		explained[e.terms] = true
		end, lock := lockOf(o.at, e.terms)
		if e.terms.LockDay > 0 {
			x.say("hold", "%d days from the order end at %s; it is locked on day %d of the month after, %s", e.terms.HoldDays, moment(end), e.terms.LockDay, moment(lock))
		} else {
			x.say("hold", "%d days from the order end at %s", e.terms.HoldDays, moment(end))
		}
		if lock.After(latest) {
			latest = lock
		}
	}
	return latest, true
}

// lockOf is when a version's hold ends, and when it locks.
func lockOf(order time.Time, terms *affiliate.CommissionTerms) (end, lock time.Time) {
	end = order.UTC().AddDate(0, 0, terms.HoldDays)
	if terms.LockDay == 0 {
		return end, end
	}
	return end, time.Date(end.Year(), end.Month()+1, terms.LockDay, 0, 0, 0, 0, time.UTC)
}
