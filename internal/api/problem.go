package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sluicehq/sluice/internal/affiliate"
)

// Problem is what every error looks like on the wire: RFC 9457 with the code of
// the error and, where the input has fields, one entry for each field at fault.
type Problem struct {
	Type   string            `json:"type" doc:"Always about:blank: code tells errors apart."`
	Title  string            `json:"title" doc:"The HTTP status in words."`
	Status int               `json:"status" doc:"The HTTP status."`
	Code   string            `json:"code" doc:"What kind of error it is, for programs."`
	Detail string            `json:"detail,omitempty" doc:"What happened and what to do, for people."`
	Errors []affiliate.Fault `json:"errors,omitempty" doc:"One entry for each field at fault."`

	header http.Header
}

// Codes of problems that no rule of the business is behind.
const (
	codeMethod   = "method_not_allowed"
	codeMedia    = "unsupported_media_type"
	codeInternal = "internal"
)

// statuses is the one table from codes to HTTP.
var statuses = map[affiliate.Code]int{
	affiliate.Invalid:     http.StatusUnprocessableEntity,
	affiliate.NotFound:    http.StatusNotFound,
	affiliate.Conflict:    http.StatusConflict,
	affiliate.Stale:       http.StatusPreconditionFailed,
	affiliate.Forbidden:   http.StatusForbidden,
	affiliate.Unsigned:    http.StatusUnauthorized,
	affiliate.Unavailable: http.StatusServiceUnavailable,
	affiliate.TooLarge:    http.StatusRequestEntityTooLarge,
}

// codesOfStatus turns the statuses that the framework answers with into codes.
var codesOfStatus = map[int]string{
	http.StatusBadRequest:            string(affiliate.Invalid),
	http.StatusUnprocessableEntity:   string(affiliate.Invalid),
	http.StatusRequestTimeout:        string(affiliate.Unavailable),
	http.StatusNotFound:              string(affiliate.NotFound),
	http.StatusMethodNotAllowed:      codeMethod,
	http.StatusUnsupportedMediaType:  codeMedia,
	http.StatusRequestEntityTooLarge: string(affiliate.TooLarge),
	http.StatusTooManyRequests:       string(affiliate.Unavailable),
}

// Error makes a problem an error.
func (p *Problem) Error() string {
	parts := []string{}
	if p.Detail != "" {
		parts = append(parts, p.Detail)
	}
	for _, f := range p.Errors {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, "; ")
}

// GetStatus tells the framework the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders tells the framework the headers that go with the problem.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType tells the framework the media type.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

var (
	_ huma.StatusError       = (*Problem)(nil)
	_ huma.HeadersError      = (*Problem)(nil)
	_ huma.ContentTypeFilter = (*Problem)(nil)
)

func newProblem(status int, code, detail string, faults ...affiliate.Fault) *Problem {
	return &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Code: code, Detail: detail, Errors: faults,
	}
}

// with adds a header to the answer.
func (p *Problem) with(name, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

// problemOf turns an error into a problem. An error without a code is ours or the
// machine's: it is logged whole, and told whole to who administers the machine.
// Anybody else learns only that it happened.
func (s *server) problemOf(ctx context.Context, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var e *affiliate.Error
	if errors.As(err, &e) && statuses[e.Code] != 0 {
		p = newProblem(statuses[e.Code], string(e.Code), e.Message, e.Faults...)
		if e.Code == affiliate.Unsigned {
			p = p.with("WWW-Authenticate", "Bearer")
		}
		return p
	}
	if ctx.Err() != nil {
		return newProblem(http.StatusServiceUnavailable, string(affiliate.Unavailable), "the request was given up before it was answered")
	}
	s.logger.LogAttrs(ctx, slog.LevelError, "request failed", slog.String("operation", operationOf(ctx)), slog.Any("error", err))
	if c, ok := ctx.Value(callerKey{}).(*caller); ok && c.via == "socket" {
		return newProblem(http.StatusInternalServerError, codeInternal, err.Error())
	}
	return newProblem(http.StatusInternalServerError, codeInternal, ourFault)
}

// ourFault is what callers are told who have no use for more.
const ourFault = "something went wrong on the server; its log says what"

// The framework builds its own errors through these hooks, and shapes schemas by
// this default; it has no other way to be told. Nobody else in the program uses
// the framework.
func init() {
	huma.DefaultArrayNullable = false
	huma.NewError = frameworkProblem
	huma.NewErrorWithContext = func(_ huma.Context, status int, message string, errs ...error) huma.StatusError {
		return frameworkProblem(status, message, errs...)
	}
}

// frameworkProblem words what the framework found wrong with a request. It echoes
// no values: they may be passwords.
func frameworkProblem(status int, message string, errs ...error) huma.StatusError {
	code := codesOfStatus[status]
	if code == "" {
		code = codeInternal
		message = ourFault
		errs = nil
	}
	p := newProblem(status, code, message)
	for _, err := range errs {
		if err != nil {
			p.Errors = append(p.Errors, faultOf(err))
		}
	}
	if message == "validation failed" {
		p.Detail = validationDetails[status]
	}
	return p
}

// validationDetails word what the framework calls a failed validation.
var validationDetails = map[int]string{
	http.StatusBadRequest:           "the body cannot be read",
	http.StatusUnsupportedMediaType: "the body is not of a type that is understood here; send application/json",
	http.StatusUnprocessableEntity:  "the request is not valid",
}

// faultOf turns one finding of the framework into a field and a message.
func faultOf(err error) affiliate.Fault {
	detailer, ok := err.(huma.ErrorDetailer)
	if !ok {
		return affiliate.Fault{Message: err.Error()}
	}
	d := detailer.ErrorDetail()
	field := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body"), ".")
	for _, in := range []string{"query.", "path.", "header."} {
		field = strings.TrimPrefix(field, in)
	}
	return affiliate.Fault{Field: field, Message: wordsFor(d.Message)}
}

// wordsFor rewords the framework's findings as advice.
func wordsFor(message string) string {
	if message == "unexpected property" {
		return "there is no such field; check its spelling"
	}
	if strings.HasPrefix(message, "json: ") {
		return "a number is out of range, or a value is of the wrong kind"
	}
	if strings.HasPrefix(message, "invalid character") || strings.HasPrefix(message, "unexpected end of JSON") {
		return "it is not JSON: " + message
	}
	if name, ok := strings.CutPrefix(message, "expected required property "); ok {
		return strings.TrimSuffix(name, " to be present") + " is missing"
	}
	if strings.HasPrefix(message, "required ") {
		return "it is missing"
	}
	if rest, ok := strings.CutPrefix(message, "expected value to be one of "); ok {
		return "it must be one of " + strings.Trim(rest, `"`)
	}
	if rest, ok := strings.CutPrefix(message, "expected "); ok {
		return "it must be: " + rest
	}
	return message
}

// writeProblem answers outside of the framework.
func writeProblem(w http.ResponseWriter, p *Problem) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length") // of what was meant to be sent instead
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // the caller is gone when this fails
}
