package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/settlement"
)

// Discrepancy is something that does not add up.
type Discrepancy struct {
	Kind    string    `json:"kind" enum:"unmatched,flagged,amounts_differ,currencies_differ,commission_differs,payment_differs,ledger_differs,rejected_reports" doc:"What does not add up."`
	Program string    `json:"program" doc:"Program; empty for refused reports whose program is not known." example:"acme"`
	Subject string    `json:"subject" doc:"What it is about: id of the conversion; number of the transaction for amounts_differ and currencies_differ; reason for rejected_reports." example:"A-1001"`
	Message string    `json:"message" doc:"What is wrong, for people."`
	Amount  *Amount   `json:"amount,omitempty" doc:"How much it is about: the order, or the difference."`
	At      time.Time `json:"at" doc:"When it was ordered, or when the report came that does not fit."`
}

// DiscrepancyList is what does not add up.
type DiscrepancyList struct {
	Items []Discrepancy `json:"items"`
	More  bool          `json:"more" doc:"Whether there is more than the limit, or there were too many conversions to look at all."`
}

func (s *server) registerDiscrepancies() {
	handle(s, operation{
		method: http.MethodGet, path: "/reports/discrepancies", id: "listDiscrepancies", tag: tagReports, access: operatorRead,
		summary: "List what does not add up",
		description: "Orders that are nobody's for more than a day or held for a person, reports that contradict each other, the terms or the books, " +
			"ledger entries that are not the sum of the shares, and refused reports by reason; the latest first.",
	}, s.listDiscrepancies)
}

func (s *server) listDiscrepancies(ctx context.Context, in *struct {
	Program string `query:"program" maxLength:"64" doc:"Only those of this program." example:"acme"`
	Since   string `query:"since" default:"90d" doc:"Of orders and refused reports from when on: a date, an instant, or an age such as 90d." example:"90d"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}) (*struct{ Body DiscrepancyList }, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	since, _, faults := timeRange(in.Since, "", "", s.Now())
	if len(faults) > 0 {
		return nil, &affiliate.Error{Code: affiliate.Invalid, Message: "the request is not valid", Faults: faults}
	}
	found, more, err := office.Discrepancies(ctx, settlement.DiscrepancyQuery{Program: in.Program, Since: since, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	out := &struct{ Body DiscrepancyList }{DiscrepancyList{Items: []Discrepancy{}, More: more}}
	for _, d := range found {
		out.Body.Items = append(out.Body.Items, Discrepancy{Kind: d.Kind, Program: d.Program, Subject: d.Subject, Message: d.Message, Amount: amountOrNone(d.Amount), At: d.At})
	}
	return out, nil
}
