package postback

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Reason says to a program why a report was refused. Reasons are a promise: new ones
// are added, none changes its meaning.
type Reason string

// The reasons.
const (
	MethodNotAllowed    Reason = "method_not_allowed"
	TokenUnknown        Reason = "token_unknown"
	SourceClosed        Reason = "source_closed"
	BodyTooLarge        Reason = "body_too_large"
	QueryTooLarge       Reason = "query_too_large"
	BodyUnreadable      Reason = "body_unreadable"
	ContentTypeUnknown  Reason = "content_type_unknown"
	JSONMalformed       Reason = "json_malformed"
	EncodingMalformed   Reason = "encoding_malformed"
	TooManyParameters   Reason = "too_many_parameters"
	ValueTooLong        Reason = "value_too_long"
	ValueMalformed      Reason = "value_malformed"
	ParameterTwice      Reason = "parameter_twice"
	AliasesDisagree     Reason = "aliases_disagree"
	MacroUnresolved     Reason = "macro_unresolved"
	SignatureMissing    Reason = "signature_missing"
	SignatureIncomplete Reason = "signature_incomplete"
	SignatureWrong      Reason = "signature_wrong"
	SignatureOld        Reason = "signature_old"
	SignatureEarly      Reason = "signature_early"
	NonceMalformed      Reason = "nonce_malformed"
	NonceReplayed       Reason = "nonce_replayed"
	ClickIDMalformed    Reason = "click_id_malformed"
	OrderMissing        Reason = "order_missing"
	AmountMalformed     Reason = "amount_malformed"
	AmountNegative      Reason = "amount_negative"
	AmountTooLarge      Reason = "amount_too_large"
	AmountTooPrecise    Reason = "amount_too_precise"
	CurrencyUnknown     Reason = "currency_unknown"
	CurrencyMissing     Reason = "currency_missing"
	TimeMalformed       Reason = "time_malformed"
	TimeInFuture        Reason = "time_in_future"
	TimeTooOld          Reason = "time_too_old"
	StatusMalformed     Reason = "status_malformed"
	StatusContradicted  Reason = "status_contradicted"
	StatusUntrusted     Reason = "status_untrusted"
	PayoutUntrusted     Reason = "payout_untrusted"
	ReasonContradicted  Reason = "reason_contradicted"
	CustomerUnknown     Reason = "customer_unknown"
	CustomerIDPersonal  Reason = "customer_id_personal"
	HeaderUnknown       Reason = "header_unknown"
	RowMalformed        Reason = "row_malformed"
	FileTooLarge        Reason = "file_too_large"
	ReportInvalid       Reason = "report_invalid"
	ReportForbidden     Reason = "report_forbidden"
	ReportConflict      Reason = "report_conflict"
	TransitionRefused   Reason = "transition_not_allowed"
	Unavailable         Reason = "unavailable"
)

// statuses are the HTTP answers of the reasons; all others are 400.
var statuses = map[Reason]int{
	MethodNotAllowed:    http.StatusMethodNotAllowed,
	TokenUnknown:        http.StatusNotFound,
	SourceClosed:        http.StatusForbidden,
	BodyTooLarge:        http.StatusRequestEntityTooLarge,
	FileTooLarge:        http.StatusRequestEntityTooLarge,
	QueryTooLarge:       http.StatusRequestURITooLong,
	ContentTypeUnknown:  http.StatusUnsupportedMediaType,
	SignatureMissing:    http.StatusUnauthorized,
	SignatureIncomplete: http.StatusUnauthorized,
	SignatureWrong:      http.StatusUnauthorized,
	SignatureOld:        http.StatusUnauthorized,
	SignatureEarly:      http.StatusUnauthorized,
	NonceReplayed:       http.StatusConflict,
	StatusUntrusted:     http.StatusForbidden,
	PayoutUntrusted:     http.StatusForbidden,
	ReportForbidden:     http.StatusForbidden,
	ReportConflict:      http.StatusConflict,
	TransitionRefused:   http.StatusConflict,
	Unavailable:         http.StatusServiceUnavailable,
}

// Status is the HTTP status that goes with the reason.
func (r Reason) Status() int {
	if status, ok := statuses[r]; ok {
		return status
	}
	return http.StatusBadRequest
}

// Refusal is a report that is not taken. Field is the parameter at fault, by the name
// that docs/postbacks.md gives it, or "".
type Refusal struct {
	Reason  Reason
	Field   string
	Message string // what is wrong and what to do
}

func (r *Refusal) Error() string {
	if r.Field == "" {
		return r.Message
	}
	return r.Field + ": " + r.Message
}

func refuse(reason Reason, field, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Field: clip(field), Message: fmt.Sprintf(format, args...)}
}

// clip keeps what a stranger wrote short where it is repeated.
func clip(s string) string {
	if runes := []rune(s); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return s
}

// refusalOf is what an error of the Taker means to the sender; own says that it is no
// fault of the sender's, and that its text stays here.
func refusalOf(err error) (r *Refusal, own bool) {
	if errors.As(err, &r) {
		return r, false
	}
	var reason Reason
	var told *affiliate.Error
	if errors.As(err, &told) && told.Code == affiliate.Conflict && len(told.Faults) == 1 && told.Faults[0].Field == "status" {
		return refuse(TransitionRefused, "status", "%s", told.Message), false
	}
	switch affiliate.CodeOf(err) {
	case affiliate.Invalid, affiliate.NotFound, affiliate.TooLarge:
		reason = ReportInvalid
	case affiliate.Forbidden, affiliate.Unsigned:
		reason = ReportForbidden
	case affiliate.Conflict, affiliate.Stale:
		reason = ReportConflict
	default:
		return refuse(Unavailable, "", "the report could not be stored; send it again later"), true
	}
	return refuse(reason, "", "%s", err), false
}

var _ error = (*Refusal)(nil)
