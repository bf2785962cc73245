package app

import (
	crand "crypto/rand"
	"math/rand/v2"

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

// openCourier makes what delivers the outbox.
func (a *App) openCourier(o *office) {
	o.courier = webhook.New(webhook.Options{Store: o.store, Now: a.options.Now, Random: rand.Uint64, Logger: a.options.Logger, Policy: a.webhookPolicy()})
}

// webhookDesk makes where operators say who is told.
func (a *App) webhookDesk(o *office) *webhook.Desk {
	return webhook.NewDesk(webhook.DeskOptions{Store: o.store, Policy: a.webhookPolicy(), Random: crand.Reader, Now: a.options.Now, Logger: a.options.Logger})
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
