package catalog

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Since returns the notices that a Publisher would have had of everything after the change
// seq, whoever has changed it, and the number that they lead to. Nothing after it: no
// notices, and the highest number there is, which is lower than seq when the store was
// lost or rolled back. Several processes that share a store follow each other by it.
//
// A link that is published again for its program is as it is now, and its own later changes
// follow.
func (c *Catalog) Since(ctx context.Context, seq int64) (notices []Change, last int64, err error) {
	err = c.store.View(ctx, func(r store.Reader) error {
		if last, err = r.Changes().Last(); err != nil || last <= seq {
			return err
		}
		var reload bool
		if notices, reload, err = noticesSince(r, seq, last); reload {
			notices = []Change{{Seq: last, At: c.now(), Action: ActionReload}}
		}
		return err
	})
	return notices, last, err
}

// noticesSince says reload when there are more than ReloadAbove.
func noticesSince(r store.Reader, seq, last int64) (notices []Change, reload bool, err error) {
	if last-seq > ReloadAbove {
		return nil, true, nil
	}
	changes, err := r.Changes().Find(store.ChangeQuery{After: seq, Limit: ReloadAbove})
	if err != nil {
		return nil, false, err
	}
	for i := range changes {
		notices = append(notices, changes[i])
		again, err := linksFollow(&changes[i])
		if err != nil {
			return nil, false, err
		}
		if !again {
			continue
		}
		links := store.LinkQuery{Program: changes[i].Key, Ascending: true}
		if n, err := r.Links().Count(links); err != nil || int64(len(notices))+n > ReloadAbove {
			return nil, true, err
		}
		err = r.Links().Find(links, func(l affiliate.Link) error {
			notices = append(notices, Change{Seq: changes[i].Seq, At: changes[i].At, Actor: changes[i].Actor,
				Kind: KindLink, Action: ActionRecompile, Key: linkKey(l.ID), After: encode(l)})
			return nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	return notices, len(notices) > ReloadAbove, nil
}

// linksFollow says whether links must be published again because of a change.
func linksFollow(c *Change) (bool, error) {
	if c.Kind != KindProgram || c.Action != ActionUpdate {
		return false, nil
	}
	var before, after affiliate.Program
	if err := json.Unmarshal(c.Before, &before); err != nil {
		return false, fmt.Errorf("change %d cannot be read: %w", c.Seq, err)
	}
	if err := json.Unmarshal(c.After, &after); err != nil {
		return false, fmt.Errorf("change %d cannot be read: %w", c.Seq, err)
	}
	return linksDependOn(before, after), nil
}
