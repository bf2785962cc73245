package analytics

import (
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Touch is what settlement asks of a click: when it was, whose it was, and on
// which link. It counts for attribution when it is Valid.
type Touch struct {
	ID      affiliate.ClickID
	At      time.Time // to the millisecond, UTC
	Link    int64
	Site    string
	Program string
	Partner string
	Slug    string // at the time of the click
	Variant string
	Page    string
	Sub1    string
	Visitor affiliate.VisitorID
	Country string
	Verdict affiliate.Verdict
	Valid   bool // as Row.Valid
}

// Limits of a look-up.
const (
	ClicksMax   = 1000 // ids
	VisitorsMax = 1000 // visitors
	TouchesMax  = 100  // touches of each visitor
	KnownMax    = 20_000
)

// CheckClicks refuses what Engine.Clicks is not asked. Engines call it first.
func CheckClicks(ids []affiliate.ClickID) error {
	if len(ids) > ClicksMax {
		return affiliate.Errorf(affiliate.TooLarge, "%d clicks are asked for at a time; %d are allowed, ask for the others afterwards", len(ids), ClicksMax)
	}
	return nil
}

// CheckTouches refuses what Engine.Touches is not asked. Engines call it first.
func CheckTouches(visitors []affiliate.VisitorID, since, until time.Time) error {
	if len(visitors) > VisitorsMax {
		return affiliate.Errorf(affiliate.TooLarge, "the touches of %d visitors are asked for at a time; %d are allowed, ask for the others afterwards", len(visitors), VisitorsMax)
	}
	if !until.IsZero() && until.Before(since) {
		return affiliate.Errorf(affiliate.Invalid, "the time ends at %s, before it begins at %s", until.Format(time.RFC3339Nano), since.Format(time.RFC3339Nano))
	}
	return nil
}

// CheckKnown refuses what Engine.Known and Engine.UniquesOf are not asked: about more
// than KnownMax ids or visitors. Engines call it first.
func CheckKnown(n int) error {
	if n > KnownMax {
		return affiliate.Errorf(affiliate.TooLarge, "%d ids are asked about at a time; %d are allowed, ask about the others afterwards", n, KnownMax)
	}
	return nil
}
