package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// DeskOptions are those of a Desk. All but Logger must be set.
type DeskOptions struct {
	Store  store.Store
	Policy Policy    // the Courier's: what it would refuse is not saved
	Random io.Reader // for secrets
	Seals  *Seals    // for secrets; nil stores them as they are
	Now    func() time.Time
	Logger *slog.Logger // gets who changed what, without URLs and secrets; discarded by default
}

// Desk is where operators say who is told, and look after what could not be delivered. Who
// is an operator is decided before; author is who it was, for the log.
//
// A secret is handed out by Create and Rotate, once, and by nothing else. A version of 0
// is any; otherwise the change is Stale when somebody else's came before.
type Desk struct{ options DeskOptions }

// NewDesk makes a desk.
func NewDesk(o DeskOptions) *Desk {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Desk{o}
}

// KeepMax bounds how long an old secret may sign beside the new one.
const KeepMax = 30 * 24 * time.Hour

// pathOfDead is an id that no endpoint can have: its address is that of the dead letters.
const pathOfDead = "dead"

// List returns the endpoints by id.
func (d *Desk) List(ctx context.Context) (all []Endpoint, err error) {
	err = d.options.Store.View(ctx, func(r store.Reader) error {
		all, err = load[Endpoint](r.Documents(), "webhook/")
		return err
	})
	for i := range all {
		all[i] = all[i].Shown()
	}
	return all, err
}

// Endpoint returns one, or NotFound.
func (d *Desk) Endpoint(ctx context.Context, id string) (e Endpoint, err error) {
	err = d.options.Store.View(ctx, func(r store.Reader) error {
		e, err = endpoint(r.Documents(), id)
		return err
	})
	return e.Shown(), err
}

// Create adds an endpoint with a new secret, or Conflict.
func (d *Desk) Create(ctx context.Context, author string, e Endpoint) (Endpoint, error) {
	secret, err := NewSecret(d.options.Random)
	if err != nil {
		return Endpoint{}, err
	}
	e = Endpoint{ID: e.ID, URL: e.URL, Events: e.Events, Program: e.Program, Disabled: e.Disabled, Secret: secret}
	e.Normalize()
	if e.ID == pathOfDead {
		var fs faults
		fs.add("id", "%q is where the dead letters are; choose another name", e.ID)
		return Endpoint{}, fs.err("the endpoint is not valid")
	}
	err = d.options.Store.Update(ctx, func(w store.Writer) error {
		if known, err := find(w.Documents(), e.Key(), new(Endpoint)); err != nil {
			return err
		} else if known {
			return affiliate.Errorf(affiliate.Conflict, "there is an endpoint %q already; change that one, or choose another id", e.ID)
		}
		stored := e
		if stored.Secret, err = d.options.Seals.seal(e.Key(), secret); err != nil {
			return err
		}
		err := SaveEndpoint(w, &stored, d.options.Policy)
		e.Version = stored.Version
		return err
	})
	if err != nil {
		return Endpoint{}, err
	}
	d.options.Seals.remember(e.Key(), false)
	d.note("an endpoint is added", e.Key(), author)
	return e, nil
}

// Update replaces what may be written of an endpoint, or NotFound. Its secrets stay, and why
// it is disabled while it stays disabled.
func (d *Desk) Update(ctx context.Context, author string, e Endpoint, version int64) (Endpoint, error) {
	e.Normalize()
	err := d.options.Store.Update(ctx, func(w store.Writer) error {
		stored, err := endpoint(w.Documents(), e.ID)
		if err != nil {
			return err
		}
		e.Secret, e.Version, e.DisabledWhy = "", cmp.Or(version, stored.Version), stored.DisabledWhy
		return SaveEndpoint(w, &e, d.options.Policy)
	})
	if err != nil {
		return Endpoint{}, err
	}
	d.note("an endpoint is changed", e.Key(), author)
	return e.Shown(), nil
}

// Delete removes an endpoint, or NotFound. What waits for it becomes dead letters, which are
// kept: they can be replayed when an endpoint of that id is there again.
func (d *Desk) Delete(ctx context.Context, author, id string, version int64) error {
	err := d.options.Store.Update(ctx, func(w store.Writer) error {
		stored, err := endpoint(w.Documents(), id)
		if err != nil {
			return err
		}
		if err := sameVersion(stored.Key(), stored.Version, cmp.Or(version, stored.Version)); err != nil {
			return err
		}
		return w.Documents().Delete(store.Endpoint, stored.Key())
	})
	if err == nil {
		d.options.Seals.remember("webhook/"+id, false)
		d.note("an endpoint is removed", "webhook/"+id, author)
	}
	return err
}

// Rotate gives an endpoint a new secret, or NotFound. The one before signs too for a time of
// 0 to KeepMax; one before that no more.
func (d *Desk) Rotate(ctx context.Context, author, id string, keep time.Duration) (e Endpoint, err error) {
	if keep < 0 || keep > KeepMax {
		return e, affiliate.Errorf(affiliate.Invalid, "an old secret cannot be kept for %s; give 0 to %s", keep, KeepMax)
	}
	secret, err := NewSecret(d.options.Random)
	if err != nil {
		return e, err
	}
	err = d.options.Store.Update(ctx, func(w store.Writer) error {
		if e, err = endpoint(w.Documents(), id); err != nil {
			return err
		}
		sealed, err := d.options.Seals.seal(e.Key(), secret)
		if err != nil {
			return err
		}
		e.Rotate(sealed, d.options.Now().UTC().Add(keep))
		if _, err := d.options.Seals.open(e.Key(), e.OldSecret); err != nil {
			keep = 0 // it cannot sign, and would keep the new one from it
		}
		if keep == 0 {
			e.OldSecret, e.OldUntil = "", time.Time{} // what may have leaked is not kept at all
		}
		e.Version++
		return put(w, e.Key(), &e) // not saved anew: a policy that is stricter now must not keep a leaked secret alive
	})
	if err != nil {
		return Endpoint{}, err
	}
	e.Secret, e.OldSecret = secret, ""
	d.options.Seals.remember(e.Key(), false)
	d.note("an endpoint has a new secret", e.Key(), author)
	return e, nil
}

// Replay makes all dead letters of an endpoint due again, and returns how many. It is
// NotFound, or Conflict for one that is disabled, which would set them aside again.
func (d *Desk) Replay(ctx context.Context, author, id string) (replayed int, err error) {
	err = d.options.Store.Update(ctx, func(w store.Writer) error {
		e, err := endpoint(w.Documents(), id)
		if err != nil {
			return err
		}
		if e.Disabled {
			return affiliate.Errorf(affiliate.Conflict, "the endpoint %q is disabled; enable it, then replay its dead letters", id)
		}
		replayed, err = ReplayAll(w, e.Key())
		return err
	})
	if err != nil {
		return 0, err
	}
	d.note("dead letters are replayed", "webhook/"+id, author, "letters", replayed)
	return replayed, nil
}

// Letter is a message that was given up.
type Letter struct {
	ID       string
	Target   string // key of the endpoint or postback
	Event    Type   // "" when it cannot be told
	Attempts int
	Error    string // of the last attempt, without secrets
}

// Dead returns dead letters, the last event first; before chooses those after the one with
// this id, "" all. It must exist, or NotFound.
func (d *Desk) Dead(ctx context.Context, before string, limit int) (letters []Letter, err error) {
	err = d.options.Store.View(ctx, func(r store.Reader) error {
		messages, err := r.Books().DeadMessages(before, limit)
		for _, m := range messages {
			letters = append(letters, letterOf(&m))
		}
		return err
	})
	return letters, err
}

func letterOf(m *store.Message) Letter {
	var body struct {
		Type  Type `json:"type"`  // of a webhook
		Event Type `json:"event"` // of a postback
	}
	_ = json.Unmarshal(m.Body, &body) // what cannot be read is listed all the same
	return Letter{ID: m.ID, Target: m.Target, Event: cmp.Or(body.Type, body.Event), Attempts: m.Attempts, Error: m.LastError}
}

// ReplayLetter makes one dead letter due again, or NotFound.
func (d *Desk) ReplayLetter(ctx context.Context, author, id string) error {
	err := d.options.Store.Update(ctx, func(w store.Writer) error { return w.Books().Replay(id) })
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return affiliate.Errorf(affiliate.NotFound, "there is no dead letter %q; it may have been replayed already", clip(id, 80))
	}
	if err == nil {
		d.note("a dead letter is replayed", id, author)
	}
	return err
}

// Postbacks returns those of a program's partners, by the partner's code.
func (d *Desk) Postbacks(ctx context.Context, program string) (all []PartnerPostback, err error) {
	err = d.options.Store.View(ctx, func(r store.Reader) error {
		all, err = load[PartnerPostback](r.Documents(), "postback/"+program+"/")
		return err
	})
	return all, err
}

// Postback returns that of a partner, or NotFound.
func (d *Desk) Postback(ctx context.Context, program, partner string) (b PartnerPostback, err error) {
	err = d.options.Store.View(ctx, func(r store.Reader) error {
		b, err = postback(r.Documents(), program, partner)
		return err
	})
	return b, err
}

// SetPostback creates or replaces the postback of a partner.
func (d *Desk) SetPostback(ctx context.Context, author string, b PartnerPostback, version int64) (PartnerPostback, error) {
	b.Normalize()
	err := d.options.Store.Update(ctx, func(w store.Writer) error {
		var stored PartnerPostback
		if _, err := find(w.Documents(), b.Key(), &stored); err != nil {
			return err
		}
		b.Version, b.DisabledWhy = cmp.Or(version, stored.Version), stored.DisabledWhy
		return SavePostback(w, &b, d.options.Policy)
	})
	if err != nil {
		return PartnerPostback{}, err
	}
	d.note("a partner's postback is set", b.Key(), author)
	return b, nil
}

// DeletePostback removes the postback of a partner, or NotFound.
func (d *Desk) DeletePostback(ctx context.Context, author, program, partner string, version int64) error {
	var key string
	err := d.options.Store.Update(ctx, func(w store.Writer) error {
		stored, err := postback(w.Documents(), program, partner)
		if err != nil {
			return err
		}
		key = stored.Key()
		if err := sameVersion(key, stored.Version, cmp.Or(version, stored.Version)); err != nil {
			return err
		}
		return w.Documents().Delete(store.Endpoint, key)
	})
	if err == nil {
		d.note("a partner's postback is removed", key, author)
	}
	return err
}

func endpoint(documents store.DocumentReader, id string) (e Endpoint, err error) {
	known, err := find(documents, (&Endpoint{ID: id}).Key(), &e)
	if err == nil && !known {
		err = affiliate.Errorf(affiliate.NotFound, "there is no endpoint %q", clip(id, 80))
	}
	return e, err
}

func postback(documents store.DocumentReader, program, partner string) (b PartnerPostback, err error) {
	known, err := find(documents, (&PartnerPostback{Program: program, Partner: partner}).Key(), &b)
	if err == nil && !known {
		err = affiliate.Errorf(affiliate.NotFound, "the partner %q of the program %q has no postback", clip(partner, 80), clip(program, 80))
	}
	return b, err
}

func (d *Desk) note(what, target, author string, more ...any) {
	d.options.Logger.Info(what, append([]any{"target", target, "author", author}, more...)...)
}
