package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/remittance"
)

func (s *server) registerPayoutFiles() {
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	handle(s, operation{
		method: http.MethodGet, path: "/payouts/export", id: "exportPayouts", tag: tagPayouts, access: operatorRead,
		summary: "Download approved payouts as a payment file",
		description: "As CSV all that go to partners; for PayPal and SEPA those whose partner is paid so, and the header Sluice-Skipped counts the others. " +
			"A file is written whole or not at all: 422 names each payout at fault. The same payouts give a SEPA file the same message id, so a bank refuses it the second time. Exporting changes nothing: say then which were sent.",
		adjust: func(op *huma.Operation) {
			op.Responses = map[string]*huma.Response{"200": {Description: "The file.",
				Headers: map[string]*huma.Param{"Sluice-Skipped": {Description: "How many approved payouts are not in it, because they are paid another way.", Schema: &huma.Schema{Type: huma.TypeInteger}}},
				Content: map[string]*huma.MediaType{"text/csv": text, "application/xml": text}}}
		},
	}, s.exportPayouts)
	handle(s, operation{
		method: http.MethodGet, path: "/statements", id: "exportStatement", tag: tagPayouts, access: operatorRead,
		summary: "Download a partner's statement", description: "CSV: what was owed at the beginning, every entry that changed it, and what was owed at the end.",
		adjust: func(op *huma.Operation) {
			op.Responses = map[string]*huma.Response{"200": {Description: "The statement.", Content: map[string]*huma.MediaType{"text/csv": text}}}
		},
	}, s.exportStatement)
}

func (s *server) exportPayouts(ctx context.Context, in *struct {
	ProgramQuery
	Format     string `query:"format" enum:"csv,paypal,sepa" default:"csv" doc:"Form of the file."`
	DebtorName string `query:"debtor_name" maxLength:"140" doc:"For sepa: who pays." example:"Acme GmbH"`
	DebtorIBAN string `query:"debtor_iban" maxLength:"50" doc:"For sepa: from which account." example:"NL91ABNA0417164300"`
	DebtorBIC  string `query:"debtor_bic" maxLength:"11" doc:"For sepa: at which bank; may be left out." example:"ABNANL2A"`
	Execute    string `query:"execute" maxLength:"10" doc:"For sepa: the day on which the account is to be debited; today (UTC) by default." example:"2026-11-30"`
	Version    string `query:"version" enum:"pain.001.001.09,pain.001.001.03" default:"pain.001.001.09" doc:"For sepa: the version that the bank takes."`
	Mark       string `query:"decimal_mark" enum:"point,comma" default:"point" doc:"For paypal: the mark that is usual in the account's country."`
}) (*huma.StreamResponse, error) {
	program, err := s.settledProgram(ctx, "program", in.Program)
	if err != nil {
		return nil, err
	}
	transfers, skipped, err := s.transfers(ctx, &program, in.Format)
	if err != nil {
		return nil, err
	}
	name := "payouts-" + program.ID
	switch in.Format {
	case "sepa":
		message := remittance.Message{
			ID: messageID(in.DebtorIBAN, transfers), Created: s.Now().UTC(), Execute: remittance.DateOf(s.Now().UTC()), Version: remittance.Version(in.Version),
			Debtor: remittance.Debtor{Name: in.DebtorName, IBAN: in.DebtorIBAN, BIC: in.DebtorBIC},
		}
		if in.Execute != "" {
			day, err := time.Parse(time.DateOnly, in.Execute)
			if err != nil {
				return nil, faultf("execute", strconv.Quote(in.Execute)+" is not a day; write it like 2026-11-30")
			}
			message.Execute = remittance.DateOf(day)
		}
		if err := debtorFault(in.DebtorName, in.DebtorIBAN); err != nil {
			return nil, err
		}
		return s.payoutFile("application/xml", name+".xml", skipped, func(w io.Writer) error { return remittance.WriteSEPA(w, message, transfers) }), nil
	case "paypal":
		mark := map[string]remittance.DecimalMark{"point": remittance.DecimalPoint, "comma": remittance.DecimalComma}[in.Mark]
		return s.payoutFile("text/csv; charset=utf-8", name+"-paypal.csv", skipped, func(w io.Writer) error { return remittance.WritePayPalMark(w, transfers, mark) }), nil
	}
	return s.payoutFile("text/csv; charset=utf-8", name+".csv", skipped, func(w io.Writer) error { return remittance.WriteCSV(w, transfers) }), nil
}

func debtorFault(name, iban string) error {
	switch {
	case name == "":
		return faultf("debtor_name", "a SEPA file says who pays; give the name of your account's holder")
	case iban == "":
		return faultf("debtor_iban", "a SEPA file says from which account; give your IBAN")
	}
	return nil
}

func (s *server) payoutFile(contentType, name string, skipped int, write func(io.Writer) error) *huma.StreamResponse {
	return s.download(contentType, name, func(w http.ResponseWriter) error {
		w.Header().Set("Sluice-Skipped", strconv.Itoa(skipped))
		return write(w)
	})
}

// transfers are the approved payouts of a program that a file carries, and how many it does
// not. What comes to us is nobody's to transfer here.
func (s *server) transfers(ctx context.Context, program *affiliate.Program, format string) (transfers []remittance.Transfer, skipped int, err error) {
	office, err := s.books()
	if err != nil {
		return nil, 0, err
	}
	payouts, err := office.Payouts(ctx, program.ID)
	if err != nil {
		return nil, 0, err
	}
	partners, err := s.Catalog.Partners(ctx, program.ID)
	if err != nil {
		return nil, 0, err
	}
	methods := map[string]affiliate.PayoutMethod{}
	for _, p := range partners {
		if p.Method != nil {
			methods[p.Code] = *p.Method
		}
	}
	for _, p := range payouts {
		if p.State != ledger.PayoutApproved || p.Partner == "" {
			continue
		}
		method := methods[p.Partner]
		if format != "csv" && string(method.Kind) != format {
			skipped++
			continue
		}
		transfers = append(transfers, transferOf(program, &p, method))
	}
	if len(transfers) == 0 {
		return nil, 0, affiliate.Errorf(affiliate.Invalid, "no approved payout of %s can be written as %s (%d are paid another way); draft payouts, approve them, and give partners a payout method", program.ID, format, skipped)
	}
	return transfers, skipped, nil
}

func transferOf(program *affiliate.Program, p *ledger.Payout, method affiliate.PayoutMethod) remittance.Transfer {
	name := program.Name
	if name == "" {
		name = program.ID
	}
	if runes := []rune(name); len(runes) > programNameMax {
		name = string(runes[:programNameMax])
	}
	return remittance.Transfer{ID: reference(p.ID), Partner: p.Partner, Name: method.Name, IBAN: method.IBAN, BIC: method.BIC, Email: method.Email, Amount: p.Amount,
		Text: fmt.Sprintf("Commission %s %s", name, reference(p.ID))}
}

// programNameMax leaves room in a transfer's text.
const programNameMax = 80

// reference is a payout's id as banks and PayPal take it: itself, or a short form that is as
// unique where it is too long or has other characters.
func reference(id string) string {
	fits := len(id) <= remittance.PayPalIDCharsMax
	for i, r := range id {
		latin := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		fits = fits && (latin || i > 0 && strings.ContainsRune("-:.", r))
	}
	if fits {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "po-" + hex.EncodeToString(sum[:12])
}

// messageID names a file by what it pays, from and to which accounts: a file that was corrected
// is another one to the bank.
func messageID(debtor string, transfers []remittance.Transfer) string {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, debtor) // never fails
	for _, t := range transfers {
		_, _ = fmt.Fprintf(h, "%s %s %q %q %q\n", t.ID, t.Amount, t.Name, t.IBAN, t.BIC)
	}
	return "sluice-" + hex.EncodeToString(h.Sum(nil)[:13])
}

func (s *server) exportStatement(ctx context.Context, in *struct {
	ProgramQuery
	Partner string `query:"partner" maxLength:"64" doc:"Whose statement. Absent: ours, in a program that earns." example:"mia"`
	Since   string `query:"since" required:"true" doc:"Beginning: a date, an instant, or an age such as 3mo." example:"2026-10-01"`
	Until   string `query:"until" doc:"End: as since; a date is part of the range. Default: now." example:"2026-10-31"`
}) (*huma.StreamResponse, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	program, err := s.settledProgram(ctx, "program", in.Program)
	if err != nil {
		return nil, err
	}
	if err := s.payee(ctx, &program, in.Partner); err != nil {
		return nil, err
	}
	from, to, faults := timeRange(in.Since, in.Until, "", s.Now())
	if to.IsZero() {
		to = s.Now().Add(time.Millisecond) // what was posted just now is in it
	}
	if len(faults) > 0 {
		return nil, &affiliate.Error{Code: affiliate.Invalid, Message: "the request is not valid", Faults: faults}
	}
	statement, err := office.Statement(ctx, program.ID, in.Partner, from, to)
	if err != nil {
		return nil, err
	}
	name := "statement-" + program.ID
	if in.Partner != "" {
		name += "-" + in.Partner
	}
	return s.download("text/csv; charset=utf-8", name+".csv", func(w http.ResponseWriter) error { return remittance.WriteStatement(w, statement) }), nil
}
