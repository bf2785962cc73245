package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Path is where batches are sent.
const Path = "/ingest/clicks"

// Limits of a batch.
const (
	ClicksMax    = 1000
	BodyBytesMax = 1 << 20 // as sent, and unpacked
)

// reason is why a batch is refused, for programs.
type reason string

const (
	methodNotAllowed reason = "method_not_allowed"
	keyUnknown       reason = "key_unknown"
	signatureMissing reason = "signature_missing"
	signatureWrong   reason = "signature_wrong"
	timeMalformed    reason = "time_malformed"
	timeOff          reason = "time_off"
	bodyTooLarge     reason = "body_too_large"
	bodyUnreadable   reason = "body_unreadable"
	encodingUnknown  reason = "encoding_unknown"
	jsonMalformed    reason = "json_malformed"
	clickInvalid     reason = "click_invalid"
	clickTwice       reason = "click_twice"
	clicksTooMany    reason = "clicks_too_many"
	tooBusy          reason = "too_busy"
	unavailable      reason = "unavailable"
)

// statuses of the reasons; 422 for those that are not here.
var statuses = map[reason]int{
	methodNotAllowed: http.StatusMethodNotAllowed,
	keyUnknown:       http.StatusUnauthorized,
	signatureMissing: http.StatusUnauthorized,
	signatureWrong:   http.StatusUnauthorized,
	timeMalformed:    http.StatusUnauthorized,
	timeOff:          http.StatusUnauthorized,
	bodyTooLarge:     http.StatusRequestEntityTooLarge,
	clicksTooMany:    http.StatusRequestEntityTooLarge,
	bodyUnreadable:   http.StatusBadRequest,
	jsonMalformed:    http.StatusBadRequest,
	encodingUnknown:  http.StatusUnsupportedMediaType,
	tooBusy:          http.StatusTooManyRequests,
	unavailable:      http.StatusServiceUnavailable,
}

// retryAfter is how many seconds a sender should wait where trying again helps.
var retryAfter = map[reason]string{tooBusy: "1", unavailable: "5"}

// refusal is why a batch is not taken. Click counts from 0, as in the list.
type refusal struct {
	Reason  reason `json:"reason"`
	Click   *int   `json:"click,omitempty"`
	Field   string `json:"field,omitempty"`
	Line    int    `json:"line,omitempty"` // of the body, from 1
	Byte    *int   `json:"byte,omitempty"` // of the body, from 0
	Message string `json:"message"`
}

func (r *refusal) Error() string { return r.Message }

func refuse(why reason, format string, args ...any) *refusal {
	return &refusal{Reason: why, Message: fmt.Sprintf(format, args...)}
}

// ServeHTTP takes a batch that is signed with a site's key: all of it or nothing.
// It answers when the clicks are on the disk. Whoever serves it sets how long a sender
// may take with its body.
func (i *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	taken, refusal := i.serve(w, r)
	if refusal == nil {
		_, _ = io.WriteString(w, `{"taken":`+strconv.Itoa(taken)+"}\n") // the clicks are safe, whoever hung up
		return
	}
	status, listed := statuses[refusal.Reason]
	if !listed {
		status = http.StatusUnprocessableEntity
	}
	if wait := retryAfter[refusal.Reason]; wait != "" {
		w.Header().Set("Retry-After", wait)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // as above
		Status string `json:"status"`
		*refusalOf
	}{"refused", (*refusalOf)(refusal)})
}

// refusalOf is a refusal as JSON, without its method.
type refusalOf refusal

func (i *Intake) serve(w http.ResponseWriter, r *http.Request) (taken int, _ *refusal) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return 0, refuse(methodNotAllowed, "clicks are sent with POST")
	}
	i.requests.Add(1)
	if r.ContentLength > BodyBytesMax {
		return 0, tooLarge()
	}
	from, ok := parseKey(r.Header.Get("Sluice-Key"))
	if !ok {
		return 0, refuse(keyUnknown, "the header sluice-key names no site's key, such as blog.1; \"sluice ingest key SITE\" shows them")
	}
	key, err := i.options.Keys(r.Context(), from.site, from.number)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		i.unsigned.Add(1)
		return 0, refuse(keyUnknown, "sluice-key: there is no key %s, or it is not accepted any more; \"sluice ingest key SITE\" shows them", clip(from.String()))
	}
	if err != nil {
		return 0, refuse(unavailable, "keys cannot be looked up for now; keep the clicks and send them again")
	}
	body := i.receive(r.Body)
	defer i.give(body)
	if refusal := i.unreadable(body); refusal != nil {
		return 0, refusal
	}
	skew, refusal := verify(key, r.Header, body.raw.Bytes(), i.options.Now())
	if refusal != nil {
		i.unsigned.Add(1)
		return 0, refusal
	}
	// Only who has a key takes one of the places.
	if !i.enter() {
		return 0, busy()
	}
	defer i.leave()
	v := i.converters.Get().(*converter)
	defer i.converters.Put(v)
	v.body = body.raw.Bytes()
	if refusal := i.take(r, v, from); refusal != nil {
		return 0, refusal
	}
	i.heard(from, skew, v)
	if n, err := strconv.ParseUint(r.Header.Get("Sluice-Lost"), 10, 31); err == nil {
		i.lost.Add(int64(n))
	}
	return len(v.ends), nil
}

// take reads the batch and stores it.
func (i *Intake) take(r *http.Request, v *converter, from sender) *refusal {
	if refusal := v.unpack(r.Header.Get("Content-Encoding")); refusal != nil {
		return refusal
	}
	v.begin(from.site)
	if refusal := v.readBatch(); refusal != nil {
		return refusal
	}
	if refusal := v.checkLinks(r.Context()); refusal != nil {
		return refusal
	}
	if err := i.store(v); err != nil {
		return refuse(unavailable, "%s", err)
	}
	return nil
}

func busy() *refusal {
	return refuse(tooBusy, "too many batches are being taken in at this moment; send this one again in a moment")
}

func tooLarge() *refusal {
	return refuse(bodyTooLarge, "the batch is longer than %d bytes, as sent or unpacked; send it in parts", BodyBytesMax)
}

// unpack makes body what was packed. It never unpacks more than BodyBytesMax.
func (v *converter) unpack(encoding string) *refusal {
	switch encoding {
	case "", "identity":
		return nil
	case "gzip":
	default:
		return refuse(encodingUnknown, "content-encoding: %q is not known; send gzip, or the text as it is", clip(encoding))
	}
	packed := bytes.NewReader(v.body)
	var err error
	if v.gzip == nil {
		v.gzip, err = gzip.NewReader(packed)
	} else {
		err = v.gzip.Reset(packed)
	}
	if err != nil {
		v.gzip = nil
		return refuse(bodyUnreadable, "the body is not packed with gzip, though content-encoding says so")
	}
	v.unpacked.Reset()
	n, err := v.unpacked.ReadFrom(io.LimitReader(v.gzip, BodyBytesMax+1))
	v.body = v.unpacked.Bytes()
	if n > BodyBytesMax {
		return tooLarge()
	}
	if err != nil {
		return refuse(bodyUnreadable, "the gzip data is damaged: %s", err)
	}
	return nil
}

var _ http.Handler = (*Intake)(nil)
