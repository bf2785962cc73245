package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

const tagChanges = "Changes"

// Change is one recorded change.
type Change struct {
	Seq    int64           `json:"seq" doc:"Number of the change; it grows and is never given twice." example:"812"`
	At     time.Time       `json:"at" doc:"When."`
	Actor  string          `json:"actor" doc:"Who." example:"admin"`
	Kind   string          `json:"kind" enum:"site,program,partner,link" doc:"What kind of thing."`
	Action string          `json:"action" enum:"create,update,delete" doc:"What was done."`
	Key    string          `json:"key" doc:"Which one: a site's or program's id, \"program/code\" of a partner, a link's id." example:"17"`
	Before json.RawMessage `json:"before,omitempty" doc:"The document before; absent when it was created."`
	After  json.RawMessage `json:"after,omitempty" doc:"The document after; absent when it was deleted."`
}

// ChangeList is a run of changes.
type ChangeList struct {
	Items []Change `json:"items"`
	Next  int64    `json:"next,omitempty" doc:"Where to go on: the next request's after, or before when the newest come first. Absent at the end." example:"912"`
}

type changesAnswer struct{ Body ChangeList }

func (s *server) registerChanges() {
	handle(s, operation{
		method: http.MethodGet, path: "/changes", id: "listChanges", tag: tagChanges, access: read,
		summary:     "Follow or look through all changes",
		description: "Who changed what, when, from what, into what. Oldest first after a number, to follow; or newest first before a number, to look back.",
	}, s.listChanges)
}

func (s *server) listChanges(ctx context.Context, in *struct {
	Order  string `query:"order" enum:"oldest,newest" default:"oldest" doc:"Which come first."`
	After  int64  `query:"after" minimum:"0" doc:"Oldest first: only changes after this number." example:"812"`
	Before int64  `query:"before" minimum:"0" doc:"Newest first: only changes before this number." example:"912"`
	Kind   string `query:"kind" enum:"site,program,partner,link" doc:"Newest first: only changes of this kind of thing."`
	Key    string `query:"key" maxLength:"200" doc:"Newest first: only changes of this thing of the kind." example:"blog"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}) (*changesAnswer, error) {
	newest := in.Order == "newest"
	switch {
	case newest && in.After != 0:
		return nil, faultf("after", "it goes with order=oldest; use before")
	case !newest && in.Before != 0:
		return nil, faultf("before", "it goes with order=newest; use after")
	case !newest && in.Kind != "":
		return nil, faultf("kind", "it goes with order=newest")
	case in.Key != "" && in.Kind == "":
		return nil, faultf("key", "it needs the kind of the thing")
	}
	var changes []catalog.Change
	var err error
	if newest {
		changes, err = s.Catalog.History(ctx, in.Kind, in.Key, in.Before, in.Limit)
	} else {
		changes, err = s.Catalog.Changes(ctx, in.After, in.Limit)
	}
	if err != nil {
		return nil, err
	}
	if !callerOf(ctx).User.Operator {
		for i := range changes {
			if changes[i].Kind == catalog.KindPartner {
				changes[i].Before, changes[i].After = withoutMethod(changes[i].Before), withoutMethod(changes[i].After)
			}
		}
	}
	return changesOf(changes, in.Limit), nil
}

// withoutMethod is a partner's document without what only operators may see. One that
// cannot be read is not shown at all.
func withoutMethod(document json.RawMessage) json.RawMessage {
	var p affiliate.Partner
	if len(document) == 0 || json.Unmarshal(document, &p) != nil {
		return nil
	}
	p.Method = nil
	out, err := json.Marshal(p)
	if err != nil {
		return nil
	}
	return out
}

// linkHistory is registered with the links.
func (s *server) linkHistory(ctx context.Context, in *struct {
	LinkPath
	Before int64 `query:"before" minimum:"0" doc:"Only changes before this number." example:"812"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}) (*changesAnswer, error) {
	changes, err := s.Catalog.History(ctx, catalog.KindLink, strconv.FormatInt(in.ID, 10), in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	if len(changes) == 0 && in.Before == 0 {
		// A deleted link has a history; one that never was has none.
		if _, err := s.Catalog.Link(ctx, in.ID); err != nil {
			return nil, err
		}
	}
	return changesOf(changes, in.Limit), nil
}

func changesOf(changes []catalog.Change, limit int) *changesAnswer {
	out := &changesAnswer{Body: ChangeList{Items: make([]Change, len(changes))}}
	for i, c := range changes {
		out.Body.Items[i] = Change{Seq: c.Seq, At: c.At, Actor: c.Actor, Kind: c.Kind, Action: c.Action, Key: c.Key, Before: c.Before, After: c.After}
	}
	if len(changes) == limit {
		out.Body.Next = changes[len(changes)-1].Seq
	}
	return out
}
