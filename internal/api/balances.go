package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/settlement"
)

// Balance is what a partner of a program has in one currency.
type Balance struct {
	Program  string `json:"program" doc:"The program." example:"acme"`
	Partner  string `json:"partner,omitempty" doc:"Whose it is; absent: ours." example:"mia"`
	Pending  Amount `json:"pending" doc:"Waits for approval."`
	Owed     Amount `json:"owed" doc:"Approved and payable. Below 0: paid out and taken back since."`
	InPayout Amount `json:"in_payout" doc:"In drafted and approved payouts."`
	PaidOut  Amount `json:"paid_out" doc:"Was sent."`
}

// BalanceList is a list of balances.
type BalanceList struct {
	Items  []Balance      `json:"items"`
	Totals []BalanceTotal `json:"totals" doc:"All of them added up, by currency."`
}

// BalanceTotal is what several balances in one currency come to.
type BalanceTotal struct {
	Pending  Amount `json:"pending" doc:"Waits for approval."`
	Owed     Amount `json:"owed" doc:"Approved and payable."`
	InPayout Amount `json:"in_payout" doc:"In drafted and approved payouts."`
	PaidOut  Amount `json:"paid_out" doc:"Was sent."`
}

func (s *server) registerBalances() {
	handle(s, operation{
		method: http.MethodGet, path: "/balances", id: "listBalances", tag: tagPayouts, access: operatorRead,
		summary: "Say what partners are owed", description: "Now, or at any moment before.", errors: []int{http.StatusNotFound},
	}, s.listBalances)
	handle(s, operation{
		method: http.MethodPost, path: "/adjustments", id: "adjustBalance", tag: tagPayouts, access: operator, status: http.StatusCreated,
		summary: "Give a bonus, or correct a balance by hand",
		description: "It is posted to what the partner is owed, with the caller's name, and stays: another adjustment takes it back. " +
			"With an Idempotency-Key the request can be sent again when no answer came: it is posted once.",
		adjust: exampleBody(map[string]any{"kind": "bonus", "program": "acme", "partner": "mia", "amount": "25.00", "reason": "other", "note": "spring contest"}),
	}, s.adjustBalance)
}

func (s *server) listBalances(ctx context.Context, in *struct {
	Program string `query:"program" maxLength:"64" doc:"Only those of this program." example:"acme"`
	Partner string `query:"partner" maxLength:"64" doc:"Only that of this partner; program must be given too." example:"mia"`
	Network string `query:"network" maxLength:"64" doc:"Only those of programs of this network." example:"awin"`
	At      string `query:"at" doc:"When: a date (its end), an instant, or an age such as 7d. Absent: now." example:"2026-10-31"`
}) (*struct{ Body BalanceList }, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	if in.Partner != "" && in.Program == "" {
		return nil, faultf("program", "a partner belongs to a program; name it too")
	}
	var at time.Time
	if in.At != "" {
		var ok bool
		if at, ok = parseInstant(in.At, s.Now(), time.UTC, true); !ok {
			return nil, faultf("at", strconv.Quote(in.At)+" is not a time; write "+instantFormats)
		}
		if _, err := time.Parse(time.DateOnly, in.At); err == nil {
			at = at.Add(-time.Millisecond) // the midnight after the date is not of it any more
		}
	}
	if in.Network != "" && affiliate.PresetNamed(in.Network) == nil {
		return nil, faultf("network", strconv.Quote(in.Network)+" is not known; known networks: "+strings.Join(affiliate.PresetNames(), ", "))
	}
	all, err := office.Balances(ctx, settlement.BalanceQuery{Program: in.Program, Partner: in.Partner, Network: in.Network, At: at})
	if err != nil {
		return nil, err
	}
	out := &struct{ Body BalanceList }{BalanceList{Items: []Balance{}, Totals: []BalanceTotal{}}}
	for _, b := range settlement.TotalBalances(all) {
		out.Body.Totals = append(out.Body.Totals, BalanceTotal{Pending: amountOf(b.Pending), Owed: amountOf(b.Owed), InPayout: amountOf(b.InPayout), PaidOut: amountOf(b.PaidOut)})
	}
	for _, b := range all {
		out.Body.Items = append(out.Body.Items, Balance{Program: b.Program, Partner: b.Partner, Pending: amountOf(b.Pending), Owed: amountOf(b.Owed),
			InPayout: amountOf(b.InPayout), PaidOut: amountOf(b.PaidOut)})
	}
	return out, nil
}

// AdjustmentInput is money that a person gives or takes beside the terms.
type AdjustmentInput struct {
	Kind    string `json:"kind" enum:"bonus,manual" doc:"A bonus can only give; a manual correction goes either way."`
	Program string `json:"program" maxLength:"64" doc:"The program." example:"acme"`
	Partner string `json:"partner,omitempty" maxLength:"64" doc:"Whose balance. Absent: ours, in a program that earns." example:"mia"`
	Amount  string `json:"amount" maxLength:"40" doc:"In the program's currency; with - in front it is taken." example:"25.00"`
	Reason  string `json:"reason" minLength:"1" maxLength:"80" doc:"Why: one of the reasons of reversals, such as terms or other." example:"other"`
	Note    string `json:"note" minLength:"1" maxLength:"1000" doc:"Why, for the people who look at it later." example:"spring contest"`
}

// Adjustment is one that was posted.
type Adjustment struct {
	ID      string `json:"id" doc:"Id of the adjustment."`
	Kind    string `json:"kind" enum:"bonus,manual" doc:"What it is."`
	Program string `json:"program" doc:"The program." example:"acme"`
	Partner string `json:"partner,omitempty" doc:"Whose balance; absent: ours." example:"mia"`
	Amount  Amount `json:"amount" doc:"What was given; below 0: taken."`
	Reason  string `json:"reason" doc:"Why, in a word that is known everywhere." example:"other"`
	Note    string `json:"note" doc:"Why, for people."`
	Author  string `json:"author" doc:"Who." example:"admin"`
}

type adjusted struct {
	Replayed string `header:"Idempotent-Replayed" doc:"\"true\" when the request had come before."`
	Body     Adjustment
}

func (s *server) adjustBalance(ctx context.Context, in *struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Chosen by the client, new for each adjustment, such as a UUID. Remembered for 24 hours." example:"0f0b9f0e-4f3e-4a39-9e53-0b8c3a8b2d7a"`
	Body AdjustmentInput
}) (*adjusted, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	a, err := s.adjustment(ctx, &in.Body)
	if err != nil {
		return nil, err
	}
	out := &adjusted{}
	if in.Key == "" {
		a.ID = randomID()
	} else {
		c, err := s.claim(ctx, in.Key, in.Body)
		if err != nil {
			return nil, err
		}
		a.ID, out.Replayed = c.Nonce, c.replayed()
	}
	if err := office.Adjust(ctx, a); err != nil {
		return nil, err
	}
	out.Body = Adjustment{ID: a.ID, Kind: string(a.Why), Program: a.Program, Partner: a.Partner, Amount: amountOf(a.Amount), Reason: string(a.Reason), Note: a.Note, Author: a.Author}
	return out, nil
}

// adjustment reads the input; the books give it its time.
func (s *server) adjustment(ctx context.Context, in *AdjustmentInput) (a ledger.Adjustment, err error) {
	program, err := s.settledProgram(ctx, "program", in.Program)
	if err != nil {
		return a, err
	}
	a = ledger.Adjustment{Why: ledger.Why(in.Kind), Program: program.ID, Partner: in.Partner, Note: strings.TrimSpace(in.Note), Author: callerOf(ctx).User.Name}
	if a.Amount, err = signedAmountIn("amount", in.Amount, program.Settlement.Currency); err != nil {
		return a, err
	}
	if a.Reason, err = affiliate.ParseReason(in.Reason); err != nil {
		return a, faultf("reason", err.Error())
	}
	switch {
	case a.Amount.Minor == 0:
		return a, faultf("amount", "0 changes nothing")
	case a.Why == ledger.Bonus && a.Amount.Minor < 0:
		return a, faultf("amount", "a bonus can only give; use the kind manual to take")
	case a.Note == "":
		return a, faultf("note", "say why, for the people who look at it later")
	}
	return a, s.payee(ctx, &program, in.Partner)
}

// payee says whether somebody can be owed money by a program.
func (s *server) payee(ctx context.Context, program *affiliate.Program, partner string) error {
	if partner == "" && program.Side == affiliate.Pays {
		return faultf("partner", "the program pays partners; name one")
	}
	if partner == "" {
		return nil
	}
	_, err := s.Catalog.Partner(ctx, program.ID, partner)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return faultf("partner", err.Error())
	}
	return err
}

func randomID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])
}
