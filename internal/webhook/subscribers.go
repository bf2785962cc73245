package webhook

import (
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// EndpointsMax is how many endpoints there may be: each event is a message for each of them.
const EndpointsMax = 50

// Subscribers are who may be told.
type Subscribers struct {
	Endpoints []Endpoint
	Postbacks []PartnerPostback
}

// Load reads who may be told of what happens in a program.
func Load(documents store.DocumentReader, program string) (to Subscribers, err error) {
	if to.Endpoints, err = load[Endpoint](documents, "webhook/"); err != nil {
		return to, err
	}
	to.Postbacks, err = load[PartnerPostback](documents, "postback/"+program+"/")
	return to, err
}

func load[T any](documents store.DocumentReader, prefix string) ([]T, error) {
	found, err := documents.List(store.Endpoint, prefix)
	if err != nil {
		return nil, err
	}
	all := make([]T, len(found))
	for i, d := range found {
		if err := json.Unmarshal(d.Body, &all[i]); err != nil {
			return nil, fmt.Errorf("the stored endpoint %s: %w", d.Key, err)
		}
	}
	return all, nil
}

// SaveEndpoint creates or replaces an endpoint. Its Version is that of the stored one that
// it replaces, 0 for none, or it is Stale; it becomes one more. Without a secret the stored
// ones stay, since nobody is shown them.
func SaveEndpoint(w store.Writer, e *Endpoint, p Policy) error {
	e.Normalize()
	var stored Endpoint
	known, err := find(w.Documents(), e.Key(), &stored)
	if err != nil {
		return err
	}
	if e.Secret == "" && known {
		e.Secret, e.OldSecret, e.OldUntil = stored.Secret, stored.OldSecret, stored.OldUntil
	}
	if err := e.Validate(p); err != nil {
		return err
	}
	if err := sameVersion(e.Key(), stored.Version, e.Version); err != nil {
		return err
	}
	if e.Program != "" {
		if _, err := w.Documents().Get(store.Program, e.Program); err != nil {
			return unknown(err, "program", "there is no program %q; create it first", e.Program)
		}
	}
	if all, err := w.Documents().List(store.Endpoint, "webhook/"); err != nil {
		return err
	} else if !known && len(all) >= EndpointsMax {
		return affiliate.Errorf(affiliate.Conflict, "there are %d endpoints, and no more can be; remove one", len(all))
	}
	e.Version++
	return put(w, e.Key(), e)
}

// SavePostback creates or replaces the postback of a partner; Version as in SaveEndpoint.
func SavePostback(w store.Writer, b *PartnerPostback, p Policy) error {
	b.Normalize()
	if err := b.Validate(p); err != nil {
		return err
	}
	var stored PartnerPostback
	if _, err := find(w.Documents(), b.Key(), &stored); err != nil {
		return err
	}
	if err := sameVersion(b.Key(), stored.Version, b.Version); err != nil {
		return err
	}
	if _, err := w.Documents().Get(store.Partner, b.Program+"/"+b.Partner); err != nil {
		return unknown(err, "partner", "the program %q has no partner %q; create it first", b.Program, b.Partner)
	}
	b.Version++
	return put(w, b.Key(), b)
}

// find reads a document into what is stored under a key, if there is one.
func find(documents store.DocumentReader, key string, into any) (known bool, err error) {
	d, err := documents.Get(store.Endpoint, key)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(d.Body, into); err != nil {
		return false, fmt.Errorf("the stored endpoint %s: %w", key, err)
	}
	return true, nil
}

func put(w store.Writer, key string, of any) error {
	body, err := json.Marshal(of)
	if err != nil {
		return fmt.Errorf("the endpoint %s cannot be written: %w", key, err)
	}
	return w.Documents().Put(store.Endpoint, store.Document{Key: key, Body: body})
}

func sameVersion(key string, stored, given int64) error {
	if stored == given {
		return nil
	}
	return affiliate.Errorf(affiliate.Stale, "%s has version %d, and %d was given; read it again", key, stored, given)
}

// unknown turns NotFound into a fault of a field.
func unknown(err error, field, format string, args ...any) error {
	if affiliate.CodeOf(err) != affiliate.NotFound {
		return err
	}
	var fs faults
	fs.add(field, format, args...)
	return fs.err("it cannot be saved")
}

// ReplayAll makes the dead messages of a target due again, those of every target for "". It
// returns how many. Each keeps its id, by which receivers know what they have already.
func ReplayAll(w store.Writer, target string) (replayed int, err error) {
	var ids []string
	for before := ""; ; {
		page, err := w.Books().DeadMessages(before, replayPage)
		if err != nil {
			return 0, err
		}
		for _, m := range page {
			if target == "" || m.Target == target {
				ids = append(ids, m.ID)
			}
		}
		if len(page) < replayPage {
			break
		}
		before = page[len(page)-1].ID
	}
	for _, id := range ids {
		if err := w.Books().Replay(id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

const replayPage = 500
