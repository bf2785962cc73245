package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/internal/ledger"
)

const tagPayouts = "Payouts"

// Payout is one transfer to one partner in one currency.
type Payout struct {
	ID        string     `json:"id" doc:"Id of the payout." example:"acme:mia:EUR:3"`
	Program   string     `json:"program" doc:"Program that pays." example:"acme"`
	Partner   string     `json:"partner,omitempty" doc:"Who is paid; absent: we." example:"mia"`
	Amount    Amount     `json:"amount" doc:"How much."`
	Method    string     `json:"method,omitempty" doc:"How the partner was to be paid when it was drafted: sepa, paypal or manual." example:"sepa"`
	State     string     `json:"state" enum:"draft,approved,sent,undone" doc:"How far it is."`
	Reference string     `json:"reference" doc:"What stands for it in payment files and on account statements: its id, or where banks would refuse that, a short form of it." example:"acme:mia:EUR:3"`
	Upto      time.Time  `json:"upto" doc:"What was posted until then is in it."`
	Created   time.Time  `json:"created" doc:"When it was drafted."`
	Approved  *time.Time `json:"approved,omitempty" doc:"When it was approved."`
	Sent      *time.Time `json:"sent,omitempty" doc:"When it was said to be sent."`
	Undone    *time.Time `json:"undone,omitempty" doc:"When it was taken back."`
	Author    string     `json:"author" doc:"Who drafted it." example:"admin"`
	Approver  string     `json:"approver,omitempty" doc:"Who approved it." example:"berta"`
}

func payoutOf(p ledger.Payout) Payout {
	return Payout{
		ID: p.ID, Program: p.Program, Partner: p.Partner, Amount: amountOf(p.Amount), Method: p.Method, State: string(p.State), Reference: reference(p.ID),
		Upto: p.Upto, Created: p.Created, Approved: moment(p.Approved), Sent: moment(p.Sent), Undone: moment(p.Undone), Author: p.Author, Approver: p.Approver,
	}
}

// PayoutList is a list of payouts.
type PayoutList struct {
	Items []Payout `json:"items"`
}

type payoutAnswer struct{ Body Payout }

type payoutsAnswer struct{ Body PayoutList }

func payoutsOf(all []ledger.Payout) *payoutsAnswer {
	out := &payoutsAnswer{PayoutList{Items: []Payout{}}}
	for _, p := range all {
		out.Body.Items = append(out.Body.Items, payoutOf(p))
	}
	return out
}

// PayoutPath names a payout in an address.
type PayoutPath struct {
	ID string `path:"id" maxLength:"256" doc:"Id of the payout." example:"acme:mia:EUR:3"`
}

// ProgramQuery names the program of an answer.
type ProgramQuery struct {
	Program string `query:"program" required:"true" maxLength:"64" doc:"The program." example:"acme"`
}

func (s *server) registerPayouts() {
	s.registerBalances()
	handle(s, operation{
		method: http.MethodGet, path: "/payouts", id: "listPayouts", tag: tagPayouts, access: operatorRead,
		summary: "List the payouts of a program",
	}, s.listPayouts)
	handle(s, operation{
		method: http.MethodPost, path: "/payouts", id: "runPayouts", tag: tagPayouts, access: operator,
		summary: "Draft payouts", description: "One for every partner of the program whose balance does not wait. The money is set aside at once, so a run that is repeated drafts nothing twice.",
		errors: []int{http.StatusNotFound, http.StatusConflict},
		adjust: exampleBody(map[string]any{"program": "acme"}),
	}, s.runPayouts)
	handle(s, operation{
		method: http.MethodGet, path: "/payouts/preview", id: "previewPayouts", tag: tagPayouts, access: operatorRead,
		summary: "Say who would be paid now, and why others wait", errors: []int{http.StatusNotFound},
	}, s.previewPayouts)
	s.registerPayoutFiles()
	handle(s, operation{
		method: http.MethodPost, path: "/payouts/{id}/approve", id: "approvePayout", tag: tagPayouts, access: operator,
		summary: "Let a draft be sent", description: "Where the program asks for a second person, that is somebody else than who drafted it.",
		errors: []int{http.StatusConflict},
	}, s.approvePayout)
	handle(s, operation{
		method: http.MethodPost, path: "/payouts/{id}/sent", id: "sendPayout", tag: tagPayouts, access: operator,
		summary: "Say that an approved payout was transferred", errors: []int{http.StatusConflict},
	}, s.sendPayout)
	handle(s, operation{
		method: http.MethodPost, path: "/payouts/{id}/undo", id: "undoPayout", tag: tagPayouts, access: operator,
		summary: "Take a payout back", description: "By a counter-entry, for good: its amount is owed again. Of one that was sent, when the money has come back.",
		errors: []int{http.StatusConflict},
		adjust: exampleBody(map[string]any{"note": "the account is closed"}),
	}, s.undoPayout)
}

func (s *server) listPayouts(ctx context.Context, in *struct {
	ProgramQuery
	State string `query:"state" enum:"draft,approved,sent,undone" doc:"Only those in this state."`
}) (*payoutsAnswer, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	if _, err := s.settledProgram(ctx, "program", in.Program); err != nil {
		return nil, err
	}
	all, err := office.Payouts(ctx, in.Program)
	if err != nil {
		return nil, err
	}
	var chosen []ledger.Payout
	for _, p := range all {
		if in.State == "" || string(p.State) == in.State {
			chosen = append(chosen, p)
		}
	}
	return payoutsOf(chosen), nil
}

// PayoutRun names the program to pay.
type PayoutRun struct {
	Program string `json:"program" maxLength:"64" doc:"The program." example:"acme"`
}

func (s *server) runPayouts(ctx context.Context, in *struct{ Body PayoutRun }) (*payoutsAnswer, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	drafts, err := office.RunPayouts(ctx, in.Body.Program, callerOf(ctx).User.Name)
	if err != nil {
		return nil, err
	}
	return payoutsOf(drafts), nil
}

// PayoutLine is what a run would do for one partner.
type PayoutLine struct {
	Partner string `json:"partner,omitempty" doc:"Who is owed; absent: we." example:"mia"`
	Amount  Amount `json:"amount" doc:"How much is owed."`
	Waits   string `json:"waits,omitempty" enum:"clawback,below_minimum,payout_open" doc:"Why it would not be paid now; absent: it would."`
	Why     string `json:"why,omitempty" doc:"The same for people."`
}

var waitsWords = map[string]string{
	ledger.WaitsForClawback: "it is below zero: what was paid and taken back since is earned first",
	ledger.WaitsForMinimum:  "it is below the program's minimum and rolls over to the next payout",
	ledger.WaitsForPayout:   "a payout is under way; send it or undo it first",
}

func (s *server) previewPayouts(ctx context.Context, in *ProgramQuery) (*struct {
	Body struct {
		Items []PayoutLine `json:"items"`
	} `nameHint:"PayoutPreview"`
}, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	lines, err := office.Preview(ctx, in.Program)
	if err != nil {
		return nil, err
	}
	out := new(struct {
		Body struct {
			Items []PayoutLine `json:"items"`
		} `nameHint:"PayoutPreview"`
	})
	out.Body.Items = []PayoutLine{}
	for _, l := range lines {
		out.Body.Items = append(out.Body.Items, PayoutLine{Partner: l.Partner, Amount: amountOf(l.Amount), Waits: l.Waits, Why: waitsWords[l.Waits]})
	}
	return out, nil
}

// move answers what became of a payout.
func (s *server) move(move func(Office) (ledger.Payout, error)) (*payoutAnswer, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	p, err := move(office)
	if err != nil {
		return nil, err
	}
	return &payoutAnswer{payoutOf(p)}, nil
}

func (s *server) approvePayout(ctx context.Context, in *PayoutPath) (*payoutAnswer, error) {
	return s.move(func(o Office) (ledger.Payout, error) { return o.ApprovePayout(ctx, in.ID, callerOf(ctx).User.Name) })
}

func (s *server) sendPayout(ctx context.Context, in *PayoutPath) (*payoutAnswer, error) {
	return s.move(func(o Office) (ledger.Payout, error) { return o.SendPayout(ctx, in.ID, callerOf(ctx).User.Name) })
}

// PayoutUndo says why a payout is taken back.
type PayoutUndo struct {
	Note string `json:"note" minLength:"1" maxLength:"1000" doc:"Why, for the people who look at it later." example:"the account is closed"`
}

func (s *server) undoPayout(ctx context.Context, in *struct {
	PayoutPath
	Body PayoutUndo
}) (*payoutAnswer, error) {
	return s.move(func(o Office) (ledger.Payout, error) {
		return o.UndoPayout(ctx, in.ID, callerOf(ctx).User.Name, in.Body.Note)
	})
}
