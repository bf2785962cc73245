package postback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// request is one HTTP request on its way to a report.
type request struct {
	*http.Request
	token      string
	pixel      bool
	body       []byte
	parameters parameters
	inbox      Inbox
	source     affiliate.Source
	now        time.Time
}

// ServeHTTP answers the paths of the Handler, and 404 elsewhere.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	in := &request{Request: r, now: h.now(), source: affiliate.ByPostback}
	path := r.URL.Path
	if path == ScriptPath {
		serveScript(w, r)
		return
	}
	if token, ok := strings.CutPrefix(path, "/postback/"); ok {
		in.token = token
		h.servePostback(w, in)
		return
	}
	token, ok := strings.CutPrefix(path, "/pixel/")
	if ok {
		in.token, ok = strings.CutSuffix(token, ".gif")
	}
	if !ok {
		answer(w, in, Receipt{}, refuse(TokenUnknown, "", "reports go to /postback/TOKEN"))
		return
	}
	in.pixel, in.source = true, affiliate.ByPixel
	h.servePixel(w, in)
}

func (h *Handler) servePostback(w http.ResponseWriter, in *request) {
	if in.Method != http.MethodGet && in.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		answer(w, in, Receipt{}, refuse(MethodNotAllowed, "", "send a report with GET or POST"))
		return
	}
	in.Body = http.MaxBytesReader(w, in.Body, BodyBytesMax)
	receipt, refusal := h.take(in)
	answer(w, in, receipt, refusal)
}

// gif is one transparent pixel.
const gif = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// servePixel answers with an image whatever happens, because a page shows it; a
// header says what became of the report.
func (h *Handler) servePixel(w http.ResponseWriter, in *request) {
	switch in.Method {
	case http.MethodGet:
		outcome := "stored"
		receipt, refusal := h.take(in)
		if refusal != nil {
			outcome = "refused; reason=" + string(refusal.Reason)
		} else if receipt.Duplicate {
			outcome = "duplicate"
		}
		w.Header().Set("Sluice-Report", outcome)
	case http.MethodHead: // a checker of links reports no order
	default:
		w.Header().Set("Allow", "GET, HEAD")
		answer(w, in, Receipt{}, refuse(MethodNotAllowed, "", "a pixel is fetched with GET"))
		return
	}
	w.Header().Set("Content-Type", "image/gif")
	_, _ = io.WriteString(w, gif) // who closed the page needs no image
}

// take brings one request to the Taker. The Taker finishes even when the sender hangs up: a
// page that sends a beacon is gone before the answer.
func (h *Handler) take(in *request) (Receipt, *Refusal) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(in.Context()), takeTimeout)
	defer cancel()
	receipt, refusal := h.store(ctx, in)
	if refusal == nil {
		return receipt, nil
	}
	refusing, cancelRefusing := context.WithTimeout(context.WithoutCancel(in.Context()), takeTimeout)
	defer cancelRefusing() // of its own: the other may have run out
	h.taker.Refuse(refusing, Rejection{
		At: in.now, Program: in.inbox.Program, Source: in.source,
		Status: refusal.Reason.Status(), Reason: refusal.Reason, Field: refusal.Field, Message: refusal.Message,
		Raw: in.raw(),
	})
	return Receipt{}, refusal
}

// store makes the request a report and has it stored, or says why not.
func (h *Handler) store(ctx context.Context, in *request) (Receipt, *Refusal) {
	unreadable := in.readQuery()
	if refusal := h.address(ctx, in); refusal != nil {
		return Receipt{}, refusal
	}
	if unreadable == nil && in.Method == http.MethodPost {
		unreadable = in.readBody()
	}
	if unreadable != nil {
		return Receipt{}, unreadable
	}
	f, refusal := in.parameters.fields()
	if refusal != nil {
		return Receipt{}, refusal
	}
	if f.values["via"] == string(affiliate.ByScript) && !in.pixel {
		in.source = affiliate.ByScript
	}
	if !in.inbox.open(in.source) {
		return Receipt{}, refuse(SourceClosed, "", "this token takes no reports by %s; allow it in the program's settings or use another token", in.source)
	}
	signed, refusal := in.parameters.verify(in.inbox, in.now)
	if refusal != nil {
		return Receipt{}, refusal
	}
	report, refusal := f.report(terms{inbox: in.inbox, source: in.source, now: in.now, trusted: signed || in.inbox.trusts()})
	if refusal != nil {
		return Receipt{}, refusal
	}
	return h.hand(ctx, in, report, signed, f.warnings)
}

// address finds whose the request is.
func (h *Handler) address(ctx context.Context, in *request) (refusal *Refusal) {
	unknown := refuse(TokenUnknown, "", "the token in the path is not known; copy the address from the program's settings")
	if len(in.token) == 0 || len(in.token) > tokenBytesMax {
		return unknown
	}
	var err error
	in.inbox, err = h.taker.Program(ctx, in.token)
	switch {
	case err == nil:
		return nil
	case affiliate.CodeOf(err) == affiliate.NotFound:
		return unknown
	}
	return h.failure(in, err)
}

// hand claims the nonce of a signed report and hands the report over.
func (h *Handler) hand(ctx context.Context, in *request, report affiliate.Report, signed bool, warnings []string) (Receipt, *Refusal) {
	chance := in.inbox.Program + " " + strings.ToLower(in.parameters.get("sig"))
	if signed && !h.again.take(chance, in.now) {
		fresh, err := h.taker.Nonce(ctx, in.inbox.Program, report.Nonce, in.now.Add(NonceWindow))
		if err != nil {
			return Receipt{}, h.failure(in, err)
		}
		if !fresh {
			return Receipt{}, refuse(NonceReplayed, "nonce", "this nonce was used before, and nothing was changed now; to send a report again, sign it with a new ts and nonce")
		}
	}
	receipt, err := h.taker.Take(ctx, report)
	if err != nil {
		refusal := h.failure(in, err)
		if signed && refusal.Reason == Unavailable {
			h.again.give(chance, in.now)
		}
		return Receipt{}, refusal
	}
	receipt.Warnings = append(warnings, receipt.Warnings...)
	return receipt, nil
}

// failure is what the sender is told; what is not the sender's fault is logged here.
func (h *Handler) failure(in *request, err error) *Refusal {
	refusal, own := refusalOf(err)
	if own {
		h.logger.Error("a report could not be stored; its sender was told to try again, and its text is with the refused reports",
			"program", in.inbox.Program, "source", in.source, "error", err)
	}
	return refusal
}

// readQuery comes before the token is looked up, because it says how to answer.
func (in *request) readQuery() *Refusal {
	if len(in.URL.RawQuery) > BodyBytesMax {
		return refuse(QueryTooLarge, "", "the query is longer than %d bytes", BodyBytesMax)
	}
	return in.parameters.addQuery(in.URL.RawQuery)
}

// readBody adds the parameters of the body.
func (in *request) readBody() *Refusal {
	if encoding := in.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return refuse(ContentTypeUnknown, "", "the body is compressed (%q); send it as it is", clip(encoding))
	}
	var err error
	var tooLarge *http.MaxBytesError
	if in.body, err = io.ReadAll(in.Body); errors.As(err, &tooLarge) {
		return refuse(BodyTooLarge, "", "the body is longer than %d bytes; a report is one order", BodyBytesMax)
	} else if err != nil {
		return refuse(BodyUnreadable, "", "the body ended before it was complete")
	}
	return in.parseBody()
}

// parseBody goes by the declared type, and by the first character where none is declared or
// where it is plain text, which is all that a page may send without asking first.
func (in *request) parseBody() *Refusal {
	text := bytes.TrimSpace(in.body)
	if len(text) == 0 {
		return nil
	}
	kind, _, err := mime.ParseMediaType(in.Header.Get("Content-Type"))
	if err != nil && in.Header.Get("Content-Type") == "" {
		kind = "text/plain"
	}
	switch {
	case kind == "application/json" || strings.HasSuffix(kind, "+json") || kind == "text/plain" && text[0] == '{':
		return in.parameters.addJSON(text)
	case kind == "application/x-www-form-urlencoded" || kind == "text/plain":
		return in.parameters.addQuery(string(text))
	}
	return refuse(ContentTypeUnknown, "", "the body is %q; send application/json or application/x-www-form-urlencoded", clip(in.Header.Get("Content-Type")))
}

// reply is the answer as JSON.
type reply struct {
	Status     string          `json:"status"` // stored, duplicate or refused
	ID         string          `json:"id,omitempty"`
	Conversion string          `json:"conversion,omitempty"`
	State      affiliate.State `json:"state,omitempty"`
	Warnings   []string        `json:"warnings,omitempty"`
	Reason     Reason          `json:"reason,omitempty"`
	Field      string          `json:"field,omitempty"`
	Message    string          `json:"message,omitempty"`
}

func answer(w http.ResponseWriter, in *request, receipt Receipt, refusal *Refusal) {
	a, status := reply{Status: "stored", ID: receipt.ID, Conversion: receipt.Conversion, State: receipt.State, Warnings: receipt.Warnings}, http.StatusOK
	if receipt.Duplicate {
		a.Status = "duplicate"
	}
	if refusal != nil {
		a, status = reply{Status: "refused", Reason: refusal.Reason, Field: refusal.Field, Message: refusal.Message}, refusal.Reason.Status()
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	if wish := in.parameters.get("return"); strings.EqualFold(wish, "text") || strings.EqualFold(wish, "ok") {
		text := "OK\n"
		if refusal != nil {
			text = "ERROR " + string(refusal.Reason) + "\n"
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // the report is safe, whoever hung up
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a) // the report is safe, whoever hung up
}

var _ http.Handler = (*Handler)(nil)
