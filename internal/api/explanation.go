package api

import (
	"context"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
)

// ConversionExplanation is why a conversion is what it is.
type ConversionExplanation struct {
	Conversion Conversion    `json:"conversion" doc:"The conversion as it stands."`
	Steps      []Step        `json:"steps" doc:"Every rule that was applied, in its order."`
	Reports    []OrderReport `json:"reports" doc:"What was reported of the transaction, as it came, by arrival."`
	Path       []Touch       `json:"path" doc:"The visitor's clicks on links of the program that are known."`
	Decisions  []Decision    `json:"decisions" doc:"What people decided."`
	Postings   []Posting     `json:"postings" doc:"What was posted to the ledger for it, in its order."`
}

// Step is one sentence of an explanation.
type Step struct {
	Rule string `json:"rule" doc:"Which rule." example:"window"`
	Text string `json:"text" doc:"What it said, for people."`
}

// OrderReport is one message about an order, as it came.
type OrderReport struct {
	ID         string        `json:"id" doc:"Id of the report."`
	Source     string        `json:"source" doc:"How it came: postback, pixel, script, api, csv." example:"postback"`
	Status     string        `json:"status" doc:"What it says of the order: pending, approved, paid, reversed." example:"pending"`
	Original   string        `json:"original,omitempty" doc:"The status in the sender's word."`
	Event      string        `json:"event,omitempty" doc:"What happened."`
	Amount     *Amount       `json:"amount,omitempty" doc:"Of the order, in the program's currency."`
	Payout     *Amount       `json:"payout,omitempty" doc:"The commission, as the sender says."`
	Received   *Amount       `json:"received,omitempty" doc:"The amount as it came, when it came in another currency."`
	Rate       *ExchangeRate `json:"rate,omitempty" doc:"What it was converted by."`
	ClickID    string        `json:"click_id,omitempty" doc:"The click that it names."`
	Touches    []string      `json:"touches,omitempty" doc:"Click ids of the visitor's browser, newest first."`
	Coupon     string        `json:"coupon,omitempty" doc:"Code that the customer used."`
	Category   string        `json:"category,omitempty" doc:"Of the goods."`
	Customer   string        `json:"customer,omitempty" doc:"new or returning."`
	CustomerID string        `json:"customer_id,omitempty" doc:"Hash that names the customer."`
	Reason     string        `json:"reason,omitempty" doc:"Of a reversal."`
	Subs       []string      `json:"subs,omitempty" doc:"Sub-IDs that it carries."`
	At         time.Time     `json:"at" doc:"When it happened, by the sender."`
	Taken      time.Time     `json:"taken" doc:"When it was taken in."`
}

// Touch is one click of a visitor.
type Touch struct {
	ClickID string    `json:"click_id" doc:"Id of the click."`
	At      time.Time `json:"at" doc:"When it was."`
	Partner string    `json:"partner,omitempty" doc:"Partner of the link."`
	Link    int64     `json:"link,omitempty" doc:"Id of the link."`
	Variant string    `json:"variant,omitempty" doc:"Destination that the visitor got."`
	Page    string    `json:"page,omitempty" doc:"Page on which the link stood."`
	Sub1    string    `json:"sub1,omitempty" doc:"First sub-ID."`
}

// Decision is what a person decided about a conversion.
type Decision struct {
	At     time.Time `json:"at" doc:"When."`
	Author string    `json:"author" doc:"Who." example:"admin"`
	Do     string    `json:"do" doc:"approve, reverse, hold or release." example:"hold"`
	Amount *Amount   `json:"amount,omitempty" doc:"How much of the order is taken back."`
	Reason string    `json:"reason,omitempty" doc:"Why, in a word that is known everywhere."`
	Note   string    `json:"note,omitempty" doc:"Why, for people."`
}

// Posting is entries of the ledger that belong together and sum to zero.
type Posting struct {
	ID      string    `json:"id" doc:"Id of the posting."`
	At      time.Time `json:"at" doc:"When it was posted."`
	Why     string    `json:"why" doc:"accrued, changed, approved, reversed, payout, settled, undone, bonus or manual." example:"accrued"`
	Author  string    `json:"author,omitempty" doc:"Who posted it, where it was a person."`
	Note    string    `json:"note,omitempty" doc:"Why, for people."`
	Reason  string    `json:"reason,omitempty" doc:"Why, in a word that is known everywhere."`
	Entries []Entry   `json:"entries" doc:"What it moves."`
}

// Entry is one line of a posting.
type Entry struct {
	Account string `json:"account" doc:"Account, as docs/settlement.md names it." example:"partner/acme/mia/pending"`
	Amount  Amount `json:"amount" doc:"What the account gets."`
	Sum     Amount `json:"sum" doc:"What the account has by this and all earlier postings that are shown."`
}

func (s *server) explainConversion(ctx context.Context, in *ConversionPath) (*struct{ Body ConversionExplanation }, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	x, err := office.Explain(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	c, err := conversionOf(&x.Conversion)
	if err != nil {
		return nil, err
	}
	out := ConversionExplanation{Conversion: c, Steps: []Step{}, Reports: []OrderReport{}, Path: []Touch{}, Decisions: []Decision{}}
	for _, step := range x.Steps {
		out.Steps = append(out.Steps, Step(step))
	}
	for i := range x.Reports {
		out.Reports = append(out.Reports, orderReportOf(&x.Reports[i]))
	}
	for _, t := range x.Path {
		out.Path = append(out.Path, Touch{ClickID: t.ClickID, At: t.At, Partner: t.Partner, Link: t.Link, Variant: t.Variant, Page: t.Page, Sub1: t.Sub1})
	}
	slices.SortStableFunc(out.Path, func(a, b Touch) int { return a.At.Compare(b.At) })
	for _, r := range x.Rulings {
		out.Decisions = append(out.Decisions, Decision{At: r.At, Author: r.Author, Do: string(r.Do), Amount: amountOrNone(r.Amount), Reason: string(r.Reason), Note: r.Note})
	}
	out.Postings = postingsOf(x.Postings)
	return &struct{ Body ConversionExplanation }{out}, nil
}

func orderReportOf(r *affiliate.Report) OrderReport {
	out := OrderReport{
		ID: r.ID, Source: string(r.Source), Status: string(r.Status), Original: r.Original, Event: r.Event, Amount: amountOrNone(r.Amount),
		Payout: amountOrNone(r.Payout), Received: amountOrNone(r.Received), ClickID: r.ClickID, Touches: r.Touches, Coupon: r.Coupon,
		Category: r.Category, Customer: string(r.Customer), CustomerID: r.CustomerID, Reason: string(r.Reason), Subs: r.Subs, At: r.At, Taken: r.Taken,
	}
	if r.Rate != nil {
		rate := exchangeRateOf(*r.Rate)
		out.Rate = &rate
	}
	return out
}

// postingsOf turns the last first into the first first, and adds up each account.
func postingsOf(latest []ledger.Posting) []Posting {
	out := []Posting{}
	sums := map[ledger.Account]map[affiliate.Currency]affiliate.Money{}
	for _, p := range slices.Backward(latest) {
		posting := Posting{ID: p.ID, At: p.At, Why: string(p.Why), Author: p.Author, Note: p.Note, Reason: string(p.Reason)}
		for _, e := range p.Entries {
			if sums[e.Account] == nil {
				sums[e.Account] = map[affiliate.Currency]affiliate.Money{}
			}
			sum := affiliate.Money{Minor: sums[e.Account][e.Amount.Currency].Minor, Currency: e.Amount.Currency}.Add(e.Amount)
			sums[e.Account][e.Amount.Currency] = sum
			posting.Entries = append(posting.Entries, Entry{Account: string(e.Account), Amount: amountOf(e.Amount), Sum: amountOf(sum)})
		}
		out = append(out, posting)
	}
	return out
}
