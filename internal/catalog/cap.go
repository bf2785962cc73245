package catalog

import (
	"bytes"
	"context"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Capped is a link with a cap and whether it is closed by it. The store keeps one document
// for each, in the same transaction as the link, so that these few are found among millions.
type Capped struct {
	Link    int64                 `json:"link"`
	Cap     affiliate.ClickCap    `json:"cap"`
	Reached *affiliate.CapReached `json:"reached,omitempty"`
}

// CapVerdict is what is to become of a link with a cap.
type CapVerdict struct {
	Capped                       // as it was when it was judged
	Next   *affiliate.CapReached // nil: open
}

// capActor closes and opens links in the change log.
var capActor = Actor{Name: "cap", Operator: true}

// capBatch is how many links are closed or opened in one transaction, which others wait for.
const capBatch = 500

// Capped returns every link that has a cap, and the number of the newest change. When that
// is since, nothing is read, and no links are returned: they are as they were.
func (c *Catalog) Capped(ctx context.Context, since int64) (links []Capped, seq int64, err error) {
	err = c.store.View(ctx, func(r store.Reader) error {
		if seq, err = r.Changes().Last(); err != nil || seq == since {
			return err
		}
		return each(r.Documents(), store.Cap, func(l Capped) error { links = append(links, l); return nil })
	})
	return links, seq, err
}

// ObeyCaps closes and opens links, in the name of the actor "cap"; the link's document says why.
// A link that has another cap by now, or another state, is left as it is, so that two
// processes may do this at the same time. It returns how many links were changed.
func (c *Catalog) ObeyCaps(ctx context.Context, verdicts []CapVerdict) (changed int, err error) {
	for len(verdicts) > 0 {
		batch := verdicts[:min(capBatch, len(verdicts))]
		n := 0
		if err := c.Edit(ctx, capActor, func(e *Edit) error {
			for i := range batch {
				done, err := e.obeyCap(&batch[i])
				if err != nil {
					return err
				}
				if done {
					n++
				}
			}
			return nil
		}); err != nil {
			return changed, err
		}
		changed += n
		verdicts = verdicts[len(batch):]
	}
	return changed, nil
}

// obeyCap changes the state and nothing else: a link that breaks a rule which is newer than
// the link is closed all the same.
func (e *Edit) obeyCap(v *CapVerdict) (done bool, err error) {
	before, err := e.w.Links().Get(v.Link)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	there, ok := cappedOf(&before)
	if !ok || !bytes.Equal(encode(there), encode(v.Capped)) {
		return false, nil
	}
	after := before
	after.CapReached = v.Next
	after.Version++
	after.UpdatedAt = e.now
	body := encode(after)
	if err := e.w.Links().Replace(store.Link{Link: &after, Body: body}); err != nil {
		return false, e.fail(err)
	}
	if err := e.keepCap(&before, &after); err != nil {
		return false, err
	}
	return true, e.record(Change{Kind: KindLink, Action: ActionUpdate, Key: linkKey(after.ID), Before: encode(before), After: body})
}

func cappedOf(l *affiliate.Link) (Capped, bool) {
	if l == nil || l.Cap == nil {
		return Capped{}, false
	}
	return Capped{Link: l.ID, Cap: *l.Cap, Reached: l.CapReached}, true
}

// keepCap writes or removes the document of a link's cap; nil stands for no link.
func (e *Edit) keepCap(before, after *affiliate.Link) error {
	old, had := cappedOf(before)
	next, has := cappedOf(after)
	switch {
	case has:
		body := encode(next)
		if had && bytes.Equal(body, encode(old)) {
			return nil
		}
		return e.fail(e.w.Documents().Put(store.Cap, store.Document{Key: linkKey(next.Link), Body: body}))
	case had:
		if err := e.w.Documents().Delete(store.Cap, linkKey(old.Link)); affiliate.CodeOf(err) != affiliate.NotFound {
			return e.fail(err)
		}
	}
	return nil
}

// reachedAfter is what an edit of a link leaves of its cap's state: it opens the link when
// the cap is removed, raised above what was counted, or counts otherwise. Whether it is
// reached all the same is found out with the next look at the reports.
func reachedAfter(before, after *affiliate.Link) *affiliate.CapReached {
	there := before.CapReached
	if there == nil || before.Cap == nil || after.Cap == nil || after.Cap.Clicks > there.Clicks ||
		after.Cap.Per != before.Cap.Per || after.Cap.Zone != before.Cap.Zone {
		return nil
	}
	return there
}
