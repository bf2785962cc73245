package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// clicks are what analytics knows: each from a moment on.
type clicks struct {
	now   func() time.Time
	byID  map[affiliate.ClickID]*click
	of    map[affiliate.VisitorID][]*click
	blind time.Time // until then analytics cannot be asked
}

type click struct {
	analytics.Touch
	known time.Time
}

func newClicks() *clicks {
	return &clicks{byID: map[affiliate.ClickID]*click{}, of: map[affiliate.VisitorID][]*click{}}
}

var errBlind = errors.New("analytics is down")

func (c *clicks) Clicks(_ context.Context, ids []affiliate.ClickID) (found []analytics.Touch, _ error) {
	if c.now().Before(c.blind) {
		return nil, errBlind
	}
	for i, id := range ids {
		if k := c.byID[id]; k != nil && !k.known.After(c.now()) && !slices.Contains(ids[:i], id) {
			found = append(found, k.Touch)
		}
	}
	return found, nil
}

func (c *clicks) Touches(_ context.Context, program string, visitors []affiliate.VisitorID, since, until time.Time) (found []analytics.Touch, _ error) {
	if c.now().Before(c.blind) {
		return nil, errBlind
	}
	for i, v := range visitors {
		if slices.Contains(visitors[:i], v) {
			continue
		}
		for _, k := range c.of[v] {
			if k.Program == program && k.Valid && !k.At.Before(since) && !k.At.After(until) && !k.known.After(c.now()) {
				found = append(found, k.Touch)
			}
		}
	}
	return found, nil
}

// click lets a visitor click. It is known after a moment, or after days.
func (w *world) click(s *shop, visitor affiliate.VisitorID, at, known time.Time) *click {
	k := &click{known: known, Touch: analytics.Touch{
		ID: affiliate.NewClickID(at.UnixMilli(), 1, w.dice.Uint64()), At: at.Truncate(time.Millisecond), Program: s.ID, Visitor: visitor,
		Partner: pick(w, "", "anna", "ben", "cleo", "anna", "ben"), Link: int64(1 + w.dice.IntN(9)), Page: "/review", Variant: pick(w, "a", "b"), Valid: !w.chance(8),
	}}
	if w.chance(3) {
		k.Program = "another"
	}
	w.clicks.byID[k.ID] = k
	w.clicks.of[visitor] = append(w.clicks.of[visitor], k)
	w.played["click"]++
	return k
}
