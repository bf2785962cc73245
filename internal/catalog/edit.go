package catalog

import (
	"context"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Edit runs several changes as one: all are stored together, or none when edit
// returns an error. Other changes wait meanwhile. edit must use e alone, not the
// Catalog, and must not keep it.
func (c *Catalog) Edit(ctx context.Context, actor Actor, edit func(e *Edit) error) error {
	if actor.Name == "" {
		return affiliate.Errorf(affiliate.Forbidden, "nobody is named as the author of the change")
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.turn:
		defer func() { c.turn <- struct{}{} }()
	}
	e := &Edit{actor: actor, now: c.now().UTC().Truncate(time.Millisecond)}
	err := c.store.Update(ctx, func(w store.Writer) error {
		e.w, e.around = w, newSurroundings(w.Documents())
		if err := edit(e); err != nil {
			return err
		}
		return e.broken
	})
	if err != nil {
		return err
	}
	c.publish(e)
	return nil
}

// publish tells of what an edit has stored.
func (c *Catalog) publish(e *Edit) {
	switch {
	case c.publisher == nil || e.last == 0:
	case e.reload:
		c.publisher.Publish([]Change{{Seq: e.last, At: e.now, Action: ActionReload}})
	default:
		c.publisher.Publish(e.notices)
	}
}

// Edit is a set of changes in the making. Its methods are those of Catalog; one
// that returns an error has changed nothing.
type Edit struct {
	actor  Actor
	now    time.Time
	w      store.Writer
	around *surroundings

	notices []Change
	reload  bool  // there were more notices than ReloadAbove
	last    int64 // Seq of the last change, 0 while there is none
	broken  error // a fault that came after a first write, which nothing may survive
}

// record logs changes that have been written.
func (e *Edit) record(changes ...Change) error {
	for i := range changes {
		changes[i].At, changes[i].Actor = e.now, e.actor.Name
	}
	if err := e.w.Changes().Append(changes); err != nil {
		return e.fail(err)
	}
	e.last = changes[len(changes)-1].Seq
	e.notice(changes...)
	return nil
}

// notice keeps what the Publisher will be told.
func (e *Edit) notice(changes ...Change) {
	if e.reload = e.reload || len(e.notices)+len(changes) > ReloadAbove; e.reload {
		e.notices = nil
		return
	}
	e.notices = append(e.notices, changes...)
}

// fail makes sure that the edit comes to nothing, even when its author ignores err.
func (e *Edit) fail(err error) error {
	if err != nil && e.broken == nil {
		e.broken = err
	}
	return err
}

// put stores a document and records the change.
func (e *Edit) put(kind store.Kind, key string, before, after any) error {
	change := Change{Kind: string(kind), Key: key, Action: ActionCreate, After: encode(after)}
	if before != nil {
		change.Action, change.Before = ActionUpdate, encode(before)
	}
	if err := e.w.Documents().Put(kind, store.Document{Key: key, Body: change.After}); err != nil {
		return e.fail(err)
	}
	return e.record(change)
}

// remove deletes a document and records the change.
func (e *Edit) remove(kind store.Kind, key string, before any) error {
	if err := e.w.Documents().Delete(kind, key); err != nil {
		return e.fail(err)
	}
	return e.record(Change{Kind: string(kind), Key: key, Action: ActionDelete, Before: encode(before)})
}

// operator refuses whoever is none.
func (e *Edit) operator(what string) error {
	if e.actor.Operator {
		return nil
	}
	return affiliate.Errorf(affiliate.Forbidden, "only operators may change %s; ask one", what)
}

// free says that a key is not taken.
func (e *Edit) free(kind store.Kind, key, what string) error {
	_, err := e.w.Documents().Get(kind, key)
	if err == nil {
		return affiliate.Errorf(affiliate.Conflict, "%s exists already", what)
	}
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return nil
	}
	return err
}

// fresh compares the version that the caller has read with the one that is there.
func fresh(what string, version, ifVersion int64) error {
	if ifVersion == 0 || ifVersion == version {
		return nil
	}
	return affiliate.Errorf(affiliate.Stale, "%s has changed since you read it (version %d is now %d); read it again and repeat your change",
		what, ifVersion, version)
}
