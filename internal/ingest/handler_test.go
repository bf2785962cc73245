package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/journal"
)

// reply is what a sender gets.
type reply struct {
	code    int
	header  http.Header
	Taken   *int
	Status  string
	Reason  reason
	Click   *int
	Field   string
	Line    int
	Byte    *int
	Message string
}

// signed is a good request; change spoils it.
func signed(body []byte, change func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(body))
	timestamp := strconv.FormatInt(noon.Unix(), 10)
	r.Header.Set("Sluice-Key", "blog.1")
	r.Header.Set("Webhook-Id", "msg_1")
	r.Header.Set("Webhook-Timestamp", timestamp)
	r.Header.Set("Webhook-Signature", Sign(blogKey, "msg_1", timestamp, body))
	if change != nil {
		change(r)
	}
	return r
}

func (r *rig) send(request *http.Request) reply {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.intake.ServeHTTP(w, request)
	a := reply{code: w.Code, header: w.Header()}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		r.t.Fatalf("%v in %s", err, w.Body)
	}
	return a
}

// click is an edge worker's, made a minute ago.
func click(n int, more string) string {
	return fmt.Sprintf(`{"id":%q,"host":"blog.example","path":"/go/the-thing-17","outcome":"redirect","link":1,"slug":"the-thing-17","accept":"*/*","agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"%s}`,
		affiliate.NewClickID(noon.UnixMilli()-60_000, 1, uint64(n)), more)
}

func batch(clicks ...string) []byte { return []byte(`{"clicks":[` + strings.Join(clicks, ",") + `]}`) }

func pack(t *testing.T, b []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(b)
	must(t, errors.Join(err, w.Close()))
	return packed.Bytes()
}

func many(n int) []byte {
	clicks := make([]string, n)
	for i := range clicks {
		clicks[i] = click(i, "")
	}
	return batch(clicks...)
}

func at(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// resign signs with another time.
func resign(body []byte, t time.Time) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Webhook-Timestamp", at(t))
		r.Header.Set("Webhook-Signature", Sign(blogKey, "msg_1", at(t), body))
	}
}

func with(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func id(t time.Time) string { return affiliate.NewClickID(t.UnixMilli(), 1, 1).String() }

func TestBatches(t *testing.T) {
	two := batch(click(1, ""), click(2, ""))
	lines := []byte(click(1, "") + "\n" + click(2, "") + "\n")
	bomb := pack(t, make([]byte, 100<<20))
	hundred := make([]byte, 100<<20)
	withID := func(id string) []byte { return batch(click(1, ""), `{"id":"`+id+`","host":"blog.example"}`) }
	for _, c := range []struct {
		name    string
		body    []byte
		change  func(*http.Request)
		code    int
		reason  reason
		message string // part of it
		click   int    // -1: none is named
		field   string
	}{
		{"two clicks", two, nil, 200, "", "", -1, ""},
		{"JSON lines", lines, nil, 200, "", "", -1, ""},
		{"packed", pack(t, two), with("Content-Encoding", "gzip"), 200, "", "", -1, ""},
		{"none", batch(), nil, 200, "", "", -1, ""},
		{"nothing", nil, nil, 200, "", "", -1, ""},
		{"as many as may be", many(ClicksMax), nil, 200, "", "", -1, ""},
		{"several signatures", two, func(r *http.Request) {
			r.Header.Set("Webhook-Signature", "v1a,xyz v1,AAAA "+r.Header.Get("Webhook-Signature"))
		}, 200, "", "", -1, ""},
		{"5 minutes old", two, resign(two, noon.Add(-SkewMax)), 200, "", "", -1, ""},
		{"5 minutes early", two, resign(two, noon.Add(SkewMax)), 200, "", "", -1, ""},

		{"GET", nil, func(r *http.Request) { r.Method = "GET" }, 405, methodNotAllowed, "POST", -1, ""},
		{"100 MB", hundred, nil, 413, bodyTooLarge, "1048576", -1, ""},
		{"100 MB of unknown length", hundred, func(r *http.Request) { r.ContentLength = -1 }, 413, bodyTooLarge, "1048576", -1, ""},
		{"100 MB packed", bomb, with("Content-Encoding", "gzip"), 413, bodyTooLarge, "unpacked", -1, ""},
		{"too many", many(ClicksMax + 1), nil, 413, clicksTooMany, "at most 1000", 1000, ""},
		{"no key", two, func(r *http.Request) { r.Header.Del("Sluice-Key") }, 401, keyUnknown, "sluice ingest key", -1, ""},
		{"a key without number", two, with("Sluice-Key", "blog"), 401, keyUnknown, "", -1, ""},
		{"a key with an odd number", two, with("Sluice-Key", "blog.01"), 401, keyUnknown, "", -1, ""},
		{"an unknown key", two, with("Sluice-Key", "blog.2"), 401, keyUnknown, "blog.2", -1, ""},
		{"an unknown site", two, with("Sluice-Key", "nobody.1"), 401, keyUnknown, "nobody.1", -1, ""},
		{"keys that cannot be looked up", two, with("Sluice-Key", "broken.1"), 503, unavailable, "send them again", -1, ""},
		{"not signed", two, func(r *http.Request) { r.Header.Del("Webhook-Signature") }, 401, signatureMissing, "webhook-id", -1, ""},
		{"another id", two, with("Webhook-Id", "msg_2"), 401, signatureWrong, "", -1, ""},
		{"another time", two, with("Webhook-Timestamp", at(noon.Add(time.Second))), 401, signatureWrong, "", -1, ""},
		{"another body", append(bytes.Clone(two), ' '), with("Webhook-Signature", Sign(blogKey, "msg_1", at(noon), two)), 401, signatureWrong, "", -1, ""},
		{"another key", two, with("Webhook-Signature", Sign([]byte("x"), "msg_1", at(noon), two)), 401, signatureWrong, "", -1, ""},
		{"signed unpacked, sent packed", pack(t, two), func(r *http.Request) {
			r.Header.Set("Content-Encoding", "gzip")
			r.Header.Set("Webhook-Signature", Sign(blogKey, "msg_1", at(noon), two))
		}, 401, signatureWrong, "", -1, ""},
		{"no time", two, with("Webhook-Timestamp", "noon"), 401, timeMalformed, "Unix seconds", -1, ""},
		{"old", two, resign(two, noon.Add(-SkewMax-time.Second)), 401, timeOff, "2026-06-15T11:54:59Z", -1, ""},
		{"early", two, resign(two, noon.Add(SkewMax+time.Second)), 401, timeOff, "2026-06-15T12:05:01Z", -1, ""},
		{"wrongly signed and malformed", []byte("{"), with("Webhook-Id", "msg_2"), 401, signatureWrong, "", -1, ""},
		{"brotli", two, with("Content-Encoding", "br"), 415, encodingUnknown, "gzip", -1, ""},
		{"not packed", two, with("Content-Encoding", "gzip"), 400, bodyUnreadable, "not packed", -1, ""},
		{"half a pack", pack(t, two)[:60], with("Content-Encoding", "gzip"), 400, bodyUnreadable, "damaged", -1, ""},
		{"not JSON", []byte("hello"), nil, 400, jsonMalformed, "line 1, byte 0", 0, ""},
		{"JSON with a fault", []byte(click(1, "") + "\n" + `{"id":"` + "\n"), nil, 400, jsonMalformed, "clicks[1], line 2", 1, ""},
		{"JSON that is cut", two[:len(two)-2], nil, 400, jsonMalformed, "the end", 2, ""},
		{"a number for a text", batch(click(1, ""), click(2, `,"ip":5`)), nil, 422, clickInvalid, "clicks[1].ip: a text is wanted", 1, "clicks[1].ip"},
		{"no id", batch(`{"host":"blog.example"}`), nil, 422, clickInvalid, "clicks[0].id: it is missing", 0, "clicks[0].id"},
		{"no host", batch(`{"id":"` + id(noon) + `"}`), nil, 422, clickInvalid, "it is missing", 0, "clicks[0].host"},
		{"no click id", withID("hello"), nil, 422, clickInvalid, "not a click id", 1, "clicks[1].id"},
		{"a click of the future", withID(id(noon.Add(5*time.Minute + time.Second))), nil, 422, clickInvalid, "5m1s ahead of our clock", 1, "clicks[1].id"},
		{"a click of nearly the future", withID(id(noon.Add(5 * time.Minute))), nil, 200, "", "", -1, ""},
		{"an old click", withID(id(noon.Add(-400*24*time.Hour - time.Second))), nil, 422, clickInvalid, "older than 400 days", 1, "clicks[1].id"},
		{"nearly an old click", withID(id(noon.Add(-400 * 24 * time.Hour))), nil, 200, "", "", -1, ""},
		{"a host of another site", batch(click(1, ""), click(2, `,"host":"shop.example"`)), nil, 422, clickInvalid, `"shop.example" is no host of the site "blog"`, 1, "clicks[1].host"},
		{"another site", batch(click(1, `,"site":"shop"`)), nil, 422, clickInvalid, "is not the site", 0, "clicks[0].site"},
		{"a link of another site", batch(click(1, ""), click(2, `,"link":9`)), nil, 422, clickInvalid, "no link of the site", 1, "clicks[1].link"},
		{"a link that is gone", batch(click(1, `,"link":77`)), nil, 200, "", "", -1, ""},
		{"a link that was renamed", batch(click(1, `,"link":2`)), nil, 200, "", "", -1, ""},
		{"the same click twice", batch(click(1, ""), click(2, ""), click(1, "")), nil, 422, clickTwice, "clicks[0] and clicks[2] are the same click", 2, "clicks[2].id"},
		{"an address that is none", batch(click(1, `,"ip":"1.2.3"`)), nil, 422, clickInvalid, "is not an address", 0, "clicks[0].ip"},
		{"POST", batch(click(1, `,"method":"POST"`)), nil, 422, clickInvalid, "follows no link", 0, "clicks[0].method"},
		{"a scheme", batch(click(1, `,"scheme":"ftp"`)), nil, 422, clickInvalid, "http or https", 0, "clicks[0].scheme"},
		{"an outcome", batch(click(1, `,"outcome":"won"`)), nil, 422, clickInvalid, "none of not_found", 0, "clicks[0].outcome"},
		{"a status", batch(click(1, `,"code":99`)), nil, 422, clickInvalid, "no status", 0, "clicks[0].code"},
		{"a visitor", batch(click(1, `,"visitor":"anna"`)), nil, 422, clickInvalid, "not a visitor id", 0, "clicks[0].visitor"},
		{"a long name", batch(click(1, `,"program":"`+strings.Repeat("a", 201)+`"`)), nil, 422, clickInvalid, "longer than 200", 0, "clicks[0].program"},
	} {
		r := newRig(t, nil)
		a := r.send(signed(c.body, c.change))
		if a.code != c.code || a.Reason != c.reason || !strings.Contains(a.Message, c.message) || a.Field != c.field {
			t.Errorf("%s: %d %s %s %q; want %d %s %s %q", c.name, a.code, a.Reason, a.Field, a.Message, c.code, c.reason, c.field, c.message)
		}
		if named := a.Click != nil; named != (c.click >= 0) || named && *a.Click != c.click {
			t.Errorf("%s: click %v is named, want %d", c.name, a.Click, c.click)
		}
		stored := len(r.stored())
		if c.code == 200 && (a.Taken == nil || *a.Taken != stored) || c.code != 200 && stored != 0 {
			t.Errorf("%s: answered %d %v, and %d clicks are stored", c.name, a.code, a.Taken, stored)
		}
		if retry := a.header.Get("Retry-After") != ""; retry != (c.code == 503) {
			t.Errorf("%s: Retry-After %q", c.name, a.header.Get("Retry-After"))
		}
	}
}

// The example of docs/ingest.md.
func TestSignExample(t *testing.T) {
	if got := Sign(blogKey, "msg_2026", "1781524800", []byte(`{"clicks":[]}`)); got != "v1,jRuFhj0pzMRrqayGK45LaueE1d82gDAgobqSLJuacFI=" {
		t.Error(got)
	}
	if got := Secret(blogKey); got != "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" {
		t.Error(got)
	}
}

// A key that is not known costs no reading of the body.
func TestUnknownKeyReadsNothing(t *testing.T) {
	r := newRig(t, nil)
	body := &counted{Reader: bytes.NewReader(many(10))}
	request := signed(nil, with("Sluice-Key", "blog.7"))
	request.Body = io.NopCloser(body)
	if a := r.send(request); a.code != 401 || body.n != 0 {
		t.Errorf("answered %d after %d bytes", a.code, body.n)
	}
}

// A sender that stops in the middle is told so.
func TestBodyThatDoesNotCome(t *testing.T) {
	r := newRig(t, nil)
	for err, want := range map[error]string{os.ErrDeadlineExceeded: "in time", io.ErrUnexpectedEOF: "before it was complete"} {
		request := signed(many(1), nil)
		request.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"clicks":`), iotest.ErrReader(err)))
		if a := r.send(request); a.code != 400 || a.Reason != bodyUnreadable || !strings.Contains(a.Message, want) {
			t.Errorf("%v: %+v", err, a)
		}
	}
}

// Strangers who claim to have a key and send nothing keep nobody out.
func TestSlowSendersKeepNobodyOut(t *testing.T) {
	r := newRig(t, func(o *Options) { o.RequestsMax = 1 })
	stop := make(chan struct{})
	var slow sync.WaitGroup
	for range 200 {
		slow.Go(func() {
			request := signed(many(1), nil)
			request.Body = io.NopCloser(&stalled{stop})
			r.send(request)
		})
	}
	for r.keys.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	if a := r.send(signed(many(3), nil)); a.code != 200 {
		t.Errorf("beside 200 slow ones: %+v", a)
	}
	close(stop)
	slow.Wait()
	if n := r.intake.bodies.Load(); n != 0 {
		t.Errorf("%d bytes of bodies are still counted", n)
	}
}

// stalled sends nothing until it is told to stop.
type stalled struct{ stop chan struct{} }

func (s *stalled) Read(p []byte) (int, error) {
	<-s.stop
	return 0, io.ErrUnexpectedEOF
}

// More bodies than there may be are turned away.
func TestTooManyBodies(t *testing.T) {
	r := newRig(t, nil)
	r.intake.bodies.Store(bodiesBytesMax - 10)
	if a := r.send(signed(many(3), nil)); a.code != 429 || a.Reason != tooBusy {
		t.Errorf("%+v", a)
	}
	if n := r.intake.bodies.Load(); n != bodiesBytesMax-10 {
		t.Errorf("%d bytes of bodies are counted", n)
	}
}

type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// brokenJournal fails as it is told.
type brokenJournal struct {
	append, sync error
	appends      atomic.Int64
	syncs        atomic.Int64
	syncing      chan struct{} // waits for it, when it is there
}

func (b *brokenJournal) AppendAll(records [][]byte) (int, error) {
	b.appends.Add(1)
	return len(records), b.append
}

func (b *brokenJournal) Sync() error {
	b.syncs.Add(1)
	if b.syncing != nil {
		<-b.syncing
	}
	return b.sync
}

func TestNothingIsAcknowledgedThatIsNotStored(t *testing.T) {
	for _, j := range []*brokenJournal{{append: errors.New("journal: full")}, {sync: errors.New("input/output error")}} {
		r := newRig(t, func(o *Options) { o.Journal = j })
		a := r.send(signed(many(3), with("Sluice-Lost", "5")))
		s := r.intake.Stats()
		if a.code != 503 || a.header.Get("Retry-After") == "" || s.Taken != 0 || s.Unstored != 1 || s.Lost != 0 || len(s.Senders) != 0 {
			t.Errorf("answered %+v; %+v", a, s)
		}
	}
}

func TestRequestsShareSyncs(t *testing.T) {
	j := &brokenJournal{syncing: make(chan struct{})}
	r := newRig(t, func(o *Options) { o.Journal, o.RequestsMax = j, 20 })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if a := r.send(signed(many(3), nil)); a.code != 200 {
				t.Errorf("answered %+v", a)
			}
		})
	}
	for j.appends.Load() < 20 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // until all of them wait
	close(j.syncing)
	all.Wait()
	if n := j.syncs.Load(); n > 3 {
		t.Errorf("20 requests took %d syncs", n)
	}
}

func TestTooManyAtOnce(t *testing.T) {
	j := &brokenJournal{syncing: make(chan struct{})}
	r := newRig(t, func(o *Options) { o.Journal, o.RequestsMax = j, 1 })
	var first sync.WaitGroup
	first.Go(func() { r.send(signed(many(1), nil)) })
	for j.syncs.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if a := r.send(signed(many(1), nil)); a.code != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("answered %+v", a)
	}
	_, err := r.intake.TakeLog(t.Context(), JSONLines, "", nil)
	if affiliate.CodeOf(err) != affiliate.Unavailable {
		t.Errorf("a log beside it: %v", err)
	}
	close(j.syncing)
	first.Wait()
	if s := r.intake.Stats(); s.Busy != 2 || s.Taken != 1 {
		t.Errorf("%+v", s)
	}
}

func TestSendersAreRemembered(t *testing.T) {
	r := newRig(t, nil)
	body := many(2)
	r.send(signed(body, func(q *http.Request) {
		resign(body, noon.Add(-90*time.Second))(q)
		q.Header.Set("Sluice-Lost", "17")
	}))
	r.send(signed(body, with("Sluice-Lost", "-1")))
	r.send(signed(body, with("Webhook-Id", "other")))
	s := r.intake.Stats()
	if len(s.Senders) != 1 || s.Lost != 17 || s.Unsigned != 1 || s.Requests != 3 || s.Taken != 4 {
		t.Fatalf("%+v", s)
	}
	if k := s.Senders[0]; k.Site != "blog" || k.Number != 1 || k.Clicks != 4 || k.Skew != 0 || !k.Newest.Equal(noon.Add(-time.Minute)) || !k.Last.Equal(noon) {
		t.Errorf("%+v", k)
	}
}

// A journal without room turns batches away, and takes them when there is room again.
func TestFullJournal(t *testing.T) {
	small, err := journal.Open(filepath.Join(t.TempDir(), "small"), journal.Options{SegmentBytes: 64 << 10, MaxBytes: 256 << 10})
	must(t, err)
	defer func() { must(t, small.Close()) }()
	r := newRig(t, func(o *Options) { o.Journal = small })
	send := func(n int) reply {
		clicks := make([]string, 500)
		for i := range clicks {
			clicks[i] = click(n*1000+i, `,"query":"`+strings.Repeat("x", 200)+strconv.Itoa(i)+`"`)
		}
		return r.send(signed(batch(clicks...), nil))
	}
	full := false
	for n := range 20 {
		a := send(n)
		if a.code == 503 {
			full = a.header.Get("Retry-After") != "" && a.Reason == unavailable
			break
		}
	}
	if !full {
		t.Fatal("256 KiB have room for everything")
	}
	must(t, small.Release(small.End()))
	for end := time.Now().Add(10 * time.Second); send(99).code != 200; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("there is room again, and no batch is taken")
		}
		must(t, small.Release(small.End()))
	}
}
