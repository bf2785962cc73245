package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sluicehq/sluice/internal/store"
)

// result is what became of a message.
type result struct {
	errand
	kind   kind
	after  time.Duration // of retry and off: from now
	rest   time.Duration // above 0: the host failed, so others wait
	reason string        // for people and logs; says nothing of the answer's text
	answer string        // the beginning of the answer's text, without secrets
}

type kind int

const (
	done  kind = iota
	retry      // later, with one attempt more
	off        // later, because it was not tried
	dead       // never, unless a person says so
	gone       // and its endpoint is disabled
	kinds
)

// told is what is kept as the last error.
func (r *result) told() string {
	if r.answer == "" {
		return r.reason
	}
	return r.reason + ": " + r.answer
}

// Bounds of an answer.
const (
	answerBytesMax  = 64 << 10
	answerShownMax  = 300 // bytes of it that are kept
	retryAfterMax   = 24 * time.Hour
	headerBytesMax  = 64 << 10
	handshakeToLast = 5 * time.Second
)

// delays before the second attempt, the third and so on, of which a random part is waited.
var delays = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 15 * time.Minute,
	time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// client speaks to hosts by one scheme, whose addresses the policy allows.
func (o *Options) client(plain bool) *http.Client {
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			// A proxy would resolve names itself, and past the check.
			Proxy:                  nil,
			DialContext:            o.Policy.dialer(plain).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    handshakeToLast,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // nothing that is small on the way becomes large here
			MaxIdleConnsPerHost:    perHost,
			MaxIdleConns:           4 * o.Parallel,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: headerBytesMax,
		}
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// attempt sends a message once and says what is to become of it.
func (c *Courier) attempt(ctx context.Context, e errand) result {
	if e.target.lost != "" {
		return result{errand: e, kind: dead, reason: e.target.lost}
	}
	now := c.options.Now()
	// An attempt that has begun is finished, or the receiver would hear of it twice.
	var keys []string
	if e.Kind == KindWebhook {
		var err error
		if keys, err = c.options.Seals.openAll(e.Target, e.target.secrets(now)); err != nil {
			return result{errand: e, kind: off, after: sealedWait, reason: err.Error()}
		}
	}
	request, secrets, err := e.request(context.WithoutCancel(ctx), now, keys)
	if err != nil {
		return result{errand: e, kind: dead, reason: err.Error()}
	}
	client := c.https
	if request.URL.Scheme == "http" {
		client = c.plain
	}
	answer, err := client.Do(request)
	if err != nil {
		return c.failed(result{errand: e, reason: reason(err), rest: hostRest})
	}
	defer answer.Body.Close()
	// Read, so that the connection can serve again; a text that fails or never ends changes
	// nothing about the status.
	text, _ := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	r := result{errand: e, reason: fmt.Sprintf("it answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))}
	switch status := answer.StatusCode; {
	case status/100 == 2:
		r.kind = done
		return r
	case status == http.StatusGone:
		r.kind = gone
		return r
	case status/100 == 3:
		r.reason += "; redirects are not followed, so set the URL that it leads to"
		return c.failed(r)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		r.after = retryAfter(answer.Header.Get("Retry-After"), now)
		r.rest = max(hostRest, r.after)
	case status/100 == 5:
		r.rest = hostRest
	}
	r.answer = excerpt(text, secrets)
	return c.failed(r)
}

// sealedWait is how long a message waits whose endpoint's secret cannot be decrypted.
const sealedWait = time.Minute

// failed says when a message is tried again: after what the receiver asks for at least,
// or not at all after the last attempt.
func (c *Courier) failed(r result) result {
	if r.Attempts >= len(delays) {
		r.kind = dead
		return r
	}
	r.kind, r.after = retry, max(r.after, jitter(delays[max(r.Attempts, 0)], c.options.Random()))
	return r
}

// jitter is a random part of a delay, up to all of it.
func jitter(d time.Duration, random uint64) time.Duration {
	return time.Duration(random%uint64(d)) + 1
}

// retryAfter reads the header, in seconds or as a date; 0 is none.
func retryAfter(header string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(header, 10, 64); err == nil {
		wait = time.Duration(min(seconds, uint64(retryAfterMax/time.Second))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), retryAfterMax)
}

// request of a message, signed with keys, and the texts in it that nobody may read in an answer.
func (e *errand) request(ctx context.Context, now time.Time, keys []string) (r *http.Request, secrets []string, err error) {
	method, address, body := http.MethodPost, e.target.url, io.Reader(bytes.NewReader(e.Body))
	if e.Kind == KindPostback {
		if address, err = e.postbackURL(); err != nil {
			return nil, nil, err
		}
		method, body = http.MethodGet, nil
	}
	if r, err = http.NewRequestWithContext(ctx, method, address, body); err != nil {
		return nil, nil, errors.New("its URL cannot be read; save it again")
	}
	r.Header.Set("User-Agent", "Sluice-Webhook/1")
	r.Header.Set("Webhook-Id", e.ID)
	secrets = []string{r.URL.String(), r.URL.RequestURI(), r.URL.EscapedPath(), r.URL.Path, r.URL.RawQuery}
	if e.Kind == KindPostback {
		return r, secrets, nil
	}
	signature, err := sign(keys, e.ID, now, e.Body)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("Webhook-Signature", signature)
	for _, key := range keys {
		secrets = append(secrets, key, strings.TrimPrefix(key, secretPrefix))
	}
	for _, one := range strings.Fields(signature) {
		secrets = append(secrets, one, strings.TrimPrefix(one, "v1,"))
	}
	return r, secrets, nil
}

func (e *errand) postbackURL() (string, error) {
	var v values
	if err := json.Unmarshal(e.Body, &v); err != nil {
		return "", fmt.Errorf("the postback's values cannot be read: %w", err)
	}
	return expand(e.target.url, func(macro string) string { return v[macro] })
}

// reason of a failure in our words: those of net/http tell the whole URL, in which there may be
// a secret, and the address, which may be an inner one.
func reason(err error) string {
	var dns *net.DNSError
	var unverified *tls.CertificateVerificationError
	var timeout net.Error
	var failed *url.Error
	switch {
	case refusal(err) != nil:
		return refusal(err).Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time"
	case errors.As(err, &dns):
		return "the name of its host cannot be resolved"
	case errors.As(err, &unverified):
		return "its certificate is not valid: " + clip(unverified.Err.Error(), 200)
	case isConnecting(err):
		return "no connection could be made"
	case errors.As(err, &failed) && errors.Is(err, io.EOF):
		return "it closed the connection without an answer"
	}
	return "the connection failed"
}

func isConnecting(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// tellingRun is how many letters and digits in a row tell something of a secret.
const tellingRun = 8

func notAlnum(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// excerpt is the beginning of an answer, on one line and without secrets.
func excerpt(text []byte, secrets []string) string {
	s := string(text)
	for _, secret := range secrets {
		if len(secret) > 1 { // the path / alone is none
			s = strings.ReplaceAll(s, secret, "[…]")
		}
	}
	for _, secret := range secrets {
		for _, run := range strings.FieldsFunc(secret, notAlnum) {
			if len(run) >= tellingRun && strings.Contains(s, run) {
				return "" // it repeats a part of a secret, or all of it in another spelling
			}
		}
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, " "))
	return clip(strings.Join(strings.Fields(s), " "), answerShownMax)
}

// target is an endpoint or a postback, as the courier sees it.
type target struct {
	key, url string
	lost     string // why nothing can be sent to it
	endpoint *Endpoint
}

func readTarget(documents store.DocumentReader, kind, key string) (target, error) {
	t := target{key: key}
	var disabled, known bool
	var err error
	if kind == KindWebhook {
		t.endpoint = &Endpoint{}
		known, err = find(documents, key, t.endpoint)
		t.url, disabled = t.endpoint.URL, t.endpoint.Disabled
	} else {
		var b PartnerPostback
		known, err = find(documents, key, &b)
		t.url, disabled = b.URL, b.Disabled
	}
	switch {
	case !known:
		t.lost = "its endpoint is not there any more"
	case disabled:
		t.lost = "its endpoint is disabled; enable it, then replay the message"
	}
	return t, err
}

// host is what is spared together; "" where nothing is sent.
func (t *target) host() string {
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(t.url))
	if err != nil || t.lost != "" {
		return ""
	}
	return strings.ToLower(u.Host)
}

func (t *target) secrets(now time.Time) []string { return t.endpoint.secrets(now) }

// disable disables the endpoint, unless its URL is not the one any more that was asked.
func (t *target) disable(w store.Writer, now time.Time) (changed bool, err error) {
	why := "it answered 410 Gone on " + now.UTC().Format(time.DateTime)
	if t.endpoint != nil {
		var e Endpoint
		if known, err := find(w.Documents(), t.key, &e); err != nil || !known || e.URL != t.url || e.Disabled {
			return e.Disabled, err
		}
		e.Disabled, e.DisabledWhy, e.Version = true, why, e.Version+1
		return true, put(w, t.key, &e)
	}
	var b PartnerPostback
	if known, err := find(w.Documents(), t.key, &b); err != nil || !known || b.URL != t.url || b.Disabled {
		return b.Disabled, err
	}
	b.Disabled, b.DisabledWhy, b.Version = true, why, b.Version+1
	return true, put(w, t.key, &b)
}
