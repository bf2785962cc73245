package app

import (
	"context"
	crand "crypto/rand"
	"math/rand/v2"
	"strings"

	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/webhook"
)

// outgoing puts what others are told of the books into the outbox.
type outgoing struct{}

// Conversion is settlement.Outgoing's.
func (outgoing) Conversion(w store.Writer, before, after *store.Conversion, why ledger.Why) error {
	to, err := webhook.Load(w.Documents(), after.Program)
	if err != nil {
		return err
	}
	messages, err := webhook.Events(webhook.Change{Before: before, After: *after, Why: why, At: after.Updated}, to)
	if err != nil {
		return err
	}
	return enqueue(w, messages)
}

// Payout is settlement.Outgoing's.
func (outgoing) Payout(w store.Writer, p ledger.Payout) error {
	to, err := webhook.Load(w.Documents(), p.Program)
	if err != nil {
		return err
	}
	messages, err := webhook.PayoutEvents(p, to)
	if err != nil {
		return err
	}
	return enqueue(w, messages)
}

// openSeals reads the key that encrypts endpoints' secrets, and encrypts those that an earlier
// version has left in the clear. Without the key the office opens all the same.
func (a *App) openSeals(ctx context.Context, o *office) error {
	ring, err := a.keys.ring(webhookKeys)
	o.seals = webhook.NewSeals(a.folder.at("keys", "webhook"), ring, err)
	changed, err := webhook.SealStored(ctx, o.store, o.seals)
	if err == nil && changed > 0 {
		a.options.Logger.Info("the secrets of endpoints are encrypted in the store now", "endpoints", changed)
	}
	return err
}

// sealsCondition says which endpoints wait for the key of their secrets.
func (a *App) sealsCondition() condition {
	c := condition{name: alarmSecrets, remedy: "restore " + a.folder.at("keys", "webhook") + " from a backup, or add its lines to the one that is there, and restart; " +
		"if it is lost, give each endpoint a new secret: sluice webhook rotate ID"}
	if o := a.office.get(); o != nil {
		closed := o.seals.Closed()
		c.raised, c.count = len(closed) > 0, int64(len(closed))
		c.what = "the key of webhooks' secrets does not fit: deliveries wait, and nothing is lost, for " + strings.Join(closed, ", ")
	}
	return c
}

// openCourier makes what delivers the outbox.
func (a *App) openCourier(o *office) {
	o.courier = webhook.New(webhook.Options{Store: o.store, Now: a.options.Now, Random: rand.Uint64, Logger: a.options.Logger, Policy: a.webhookPolicy(), Seals: o.seals})
}

// webhookDesk makes where operators say who is told.
func (a *App) webhookDesk(o *office) *webhook.Desk {
	return webhook.NewDesk(webhook.DeskOptions{Store: o.store, Policy: a.webhookPolicy(), Random: crand.Reader, Seals: o.seals, Now: a.options.Now, Logger: a.options.Logger})
}

func (a *App) webhookPolicy() webhook.Policy {
	return webhook.Policy{AllowPrivate: a.config.Webhooks.AllowPrivate, AllowPlain: a.config.Webhooks.AllowPlain}
}

// enqueue writes messages. The courier looks into the outbox every second.
func enqueue(w store.Writer, messages []store.Message) error {
	if len(messages) == 0 {
		return nil
	}
	return w.Books().Enqueue(messages)
}
