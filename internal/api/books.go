package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/remittance"
	"github.com/sluicehq/sluice/internal/settlement"
)

// Office is what the API needs of the books; settlement.Office says what each method
// promises.
type Office interface {
	Take(ctx context.Context, r affiliate.Report) (settlement.Receipt, error)
	Rule(ctx context.Context, conversion string, ruling commission.Ruling) (settlement.Conversion, error)
	Adjust(ctx context.Context, a ledger.Adjustment) error

	Conversion(ctx context.Context, id string) (settlement.Conversion, error)
	Conversions(ctx context.Context, query settlement.ConversionQuery) ([]settlement.Conversion, error)
	Explain(ctx context.Context, conversion string) (settlement.Explanation, error)
	Rejections(ctx context.Context, query settlement.RejectionQuery) ([]settlement.Rejection, error)
	Balances(ctx context.Context, q settlement.BalanceQuery) ([]settlement.Balance, error)
	Statement(ctx context.Context, program, partner string, since, until time.Time) (remittance.Statement, error)

	Earnings(ctx context.Context, q settlement.EarningsQuery, clicks settlement.ClickCounter) (*settlement.EarningsReport, error)
	Discrepancies(ctx context.Context, q settlement.DiscrepancyQuery) ([]settlement.Discrepancy, bool, error)

	Preview(ctx context.Context, program string) ([]ledger.Line, error)
	Payouts(ctx context.Context, program string) ([]ledger.Payout, error)
	RunPayouts(ctx context.Context, program, author string) ([]ledger.Payout, error)
	ApprovePayout(ctx context.Context, id, approver string) (ledger.Payout, error)
	SendPayout(ctx context.Context, id, author string) (ledger.Payout, error)
	UndoPayout(ctx context.Context, id, author, note string) (ledger.Payout, error)

	PutRates(ctx context.Context, rates []affiliate.FXRate) error
	Rates(ctx context.Context, from, to affiliate.Currency, limit int) ([]affiliate.FXRate, error)
}

var _ Office = (*settlement.Office)(nil)

// books returns the office, or says that there is none.
func (s *server) books() (Office, error) {
	if s.Office == nil {
		return nil, affiliate.Errorf(affiliate.Unavailable, "the books are not kept by this server: it runs without settlement; ask the server that does")
	}
	return s.Office, nil
}

// settledProgram returns a program of which the books are kept.
func (s *server) settledProgram(ctx context.Context, field, id string) (affiliate.Program, error) {
	p, err := s.Catalog.Program(ctx, id)
	switch {
	case affiliate.CodeOf(err) == affiliate.NotFound:
		return p, faultf(field, err.Error())
	case err == nil && p.Settlement == nil:
		return p, faultf(field, fmt.Sprintf("the program %q has no settlement; give it a currency and terms first", id))
	}
	return p, err
}

// claim is a request that may be sent again: what is the same each time it comes.
type claim struct {
	Nonce string    `json:"nonce"` // of the caller and the key
	At    time.Time `json:"at"`    // when it came first
	again bool
}

// claim remembers, before anything is done, that a request came under a key. The books then
// recognise it by what is remembered when it comes again, even when the server died
// in between: nothing is done twice, and nothing is left undone. The same key with another body is refused.
func (s *server) claim(ctx context.Context, key string, body any) (c claim, err error) {
	content, err := json.Marshal(body)
	if err != nil {
		return c, fmt.Errorf("encoding a request: %w", err)
	}
	actor := callerOf(ctx).actor()
	hash := sha256.Sum256(content)
	nonce := sha256.Sum256([]byte(actor.Name + "\x00" + key))
	ran := false
	response, again, err := s.Catalog.Once(ctx, actor, catalog.Request{Key: key, Hash: operationOf(ctx) + hex.EncodeToString(hash[:])},
		func(*catalog.Edit) (any, error) {
			ran = true
			return claim{Nonce: hex.EncodeToString(nonce[:16]), At: s.Now().UTC().Truncate(time.Millisecond)}, nil
		})
	if !ran && affiliate.CodeOf(err) == affiliate.Conflict {
		return c, faultf("Idempotency-Key", "it was used for another request; choose a new one for each request")
	}
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(response, &c); err != nil {
		return c, fmt.Errorf("reading a remembered request: %w", err)
	}
	c.again = again
	return c, nil
}

// replayed is the header of a request that had come before.
func (c claim) replayed() string {
	if c.again {
		return "true"
	}
	return ""
}
