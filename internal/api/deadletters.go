package api

import (
	"context"
	"net/http"
)

// DeadLetter is a message that was given up.
type DeadLetter struct {
	ID       string `json:"id" doc:"Id of the message, the receiver's webhook-id." example:"msg_2c9n4v8k1m7q0t5s3a6d8f1g"`
	Target   string `json:"target" doc:"Whom it is for: webhook/ID, or postback/PROGRAM/PARTNER." example:"webhook/shop"`
	Event    string `json:"event,omitempty" doc:"What it tells of." example:"conversion.approved"`
	Attempts int    `json:"attempts" doc:"How often it was tried." example:"9"`
	Error    string `json:"error" doc:"Why the last attempt failed, with the beginning of the receiver's answer." example:"it answered 500 Internal Server Error"`
}

// DeadLetterList is one page of dead letters.
type DeadLetterList struct {
	Items []DeadLetter `json:"items"`
	Next  string       `json:"next,omitempty" doc:"Cursor of the next page; absent on the last."`
}

// Replayed says how many dead letters are due again.
type Replayed struct {
	Replayed int `json:"replayed" doc:"How many dead letters are due again." example:"12"`
}

func (s *server) registerDeadLetters() {
	handle(s, operation{
		method: http.MethodGet, path: "/webhooks/dead", id: "listDeadLetters", tag: tagWebhooks, access: operatorRead,
		summary: "List what could not be delivered", description: "Webhooks and partners' postbacks that were given up, the last event first.",
	}, s.listDeadLetters)
	handle(s, operation{
		method: http.MethodPost, path: "/webhooks/dead/{id}/replay", id: "replayDeadLetter", tag: tagWebhooks, access: operator,
		summary: "Send a dead letter again", description: "As if it had never been tried, to where its endpoint is now.",
	}, s.replayDeadLetter)
	handle(s, operation{
		method: http.MethodPost, path: "/webhooks/{id}/replay", id: "replayWebhook", tag: tagWebhooks, access: operator,
		summary: "Send all dead letters of an endpoint again", description: "A disabled endpoint answers 409: it would set them aside again.",
		errors: []int{http.StatusConflict},
	}, s.replayWebhook)
}

func (s *server) listDeadLetters(ctx context.Context, in *struct {
	Cursor string `query:"cursor" maxLength:"256" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many at most."`
}) (*struct{ Body DeadLetterList }, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	letters, err := desk.Dead(ctx, in.Cursor, in.Limit+1)
	if err != nil {
		return nil, cursorFault(in.Cursor, err)
	}
	out := &struct{ Body DeadLetterList }{DeadLetterList{Items: []DeadLetter{}}}
	if len(letters) > in.Limit {
		letters = letters[:in.Limit]
		out.Body.Next = letters[in.Limit-1].ID
	}
	for _, l := range letters {
		out.Body.Items = append(out.Body.Items, DeadLetter{ID: l.ID, Target: l.Target, Event: string(l.Event), Attempts: l.Attempts, Error: l.Error})
	}
	return out, nil
}

func (s *server) replayDeadLetter(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"256" doc:"Id of the message." example:"msg_2c9n4v8k1m7q0t5s3a6d8f1g"`
}) (*struct{ Body Replayed }, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	if err := desk.ReplayLetter(ctx, callerOf(ctx).User.Name, in.ID); err != nil {
		return nil, err
	}
	return &struct{ Body Replayed }{Replayed{1}}, nil
}

func (s *server) replayWebhook(ctx context.Context, in *WebhookPath) (*struct{ Body Replayed }, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	n, err := desk.Replay(ctx, callerOf(ctx).User.Name, in.ID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body Replayed }{Replayed{n}}, nil
}
