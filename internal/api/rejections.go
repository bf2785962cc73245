package api

import (
	"context"
	"time"

	"github.com/sluicehq/sluice/internal/settlement"
)

// Rejection is a report that was not taken in.
type Rejection struct {
	ID      string    `json:"id" doc:"Id of the rejection."`
	At      time.Time `json:"at" doc:"When it came."`
	Program string    `json:"program,omitempty" doc:"Program, where it could be told." example:"acme"`
	Source  string    `json:"source" doc:"How it came." example:"postback"`
	Reason  string    `json:"reason" doc:"Why it was refused, for programs; docs/postbacks.md lists the words." example:"amount_malformed"`
	Message string    `json:"message" doc:"What is wrong and what to do, for people."`
	Raw     string    `json:"raw" doc:"As it came, without secrets, cut when it was long."`
	Remote  string    `json:"remote,omitempty" doc:"The sender's address."`
}

// RejectionList is one page of rejections.
type RejectionList struct {
	Items []Rejection `json:"items"`
	Next  string      `json:"next,omitempty" doc:"Cursor of the next page; absent on the last."`
}

func (s *server) listRejections(ctx context.Context, in *struct {
	Program string `query:"program" maxLength:"64" doc:"Only those of this program." example:"acme"`
	Reason  string `query:"reason" maxLength:"64" doc:"Only those refused for this reason." example:"amount_malformed"`
	Cursor  string `query:"cursor" maxLength:"64" doc:"The next of the page before."`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many at most."`
}) (*struct{ Body RejectionList }, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	found, err := office.Rejections(ctx, settlement.RejectionQuery{Program: in.Program, Reason: in.Reason, Before: in.Cursor, Limit: in.Limit + 1})
	if err != nil {
		return nil, cursorFault(in.Cursor, err)
	}
	out := &struct{ Body RejectionList }{RejectionList{Items: []Rejection{}}}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.Body.Next = found[in.Limit-1].ID
	}
	for _, r := range found {
		out.Body.Items = append(out.Body.Items, Rejection{ID: r.ID, At: r.At, Program: r.Program, Source: string(r.Source), Reason: r.Reason, Message: r.Message, Raw: r.Raw, Remote: r.Remote})
	}
	return out, nil
}
