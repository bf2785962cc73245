package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/catalog"
)

// upload imports a file and returns the events of the answer.
func (w *world) upload(as credential, query, file string) (events []ImportEvent) {
	w.Helper()
	a := w.do(as, "POST", "/links/import"+query, file, "Content-Type", "text/csv").want(200, nil)
	if a.Header().Get("Content-Type") != "application/x-ndjson" {
		w.Fatalf("type %q: %s", a.Header().Get("Content-Type"), a.Body)
	}
	lines := bufio.NewScanner(a.Body)
	for lines.Scan() {
		var e ImportEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			w.Fatalf("%v: %s", err, lines.Bytes())
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		w.Fatal("no events")
	}
	return events
}

func (w *world) total() int64 {
	page, err := w.catalog.FindLinks(w.Context(), catalog.LinkFilter{})
	w.must(err)
	return page.Total
}

const threeLines = "slug,url\nkettle,https://shop.example/kettle\nbad one,https://shop.example/\npot,https://shop.example/pot\n"

func TestImportIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	as := w.token("mia", account.Write)
	events := w.upload(as, "?format=csv", threeLines)
	if len(events) != 2 || events[0].Bad == nil || events[0].Bad.Line != 3 || events[0].Bad.Text != "bad one,https://shop.example/" || events[0].Bad.Reason == "" {
		t.Fatalf("events %+v", events)
	}
	r := events[1].Report
	if r == nil || r.Applied || r.Bad != 1 || r.Created != 2 || r.Head != "slug,url" || w.total() != 0 {
		t.Fatalf("report %+v, %d links", r, w.total())
	}
	events = w.upload(as, "?skip_bad=true&dry_run=true", threeLines)
	if r = events[len(events)-1].Report; r.Applied || r.Created != 2 || r.Format != "csv" || w.total() != 0 {
		t.Errorf("dry run: %+v, %d links", r, w.total())
	}
	events = w.upload(as, "?skip_bad=true", threeLines)
	if r = events[len(events)-1].Report; !r.Applied || r.Created != 2 || w.total() != 2 {
		t.Errorf("report %+v, %d links", r, w.total())
	}
}

func TestImportOfEveryFormat(t *testing.T) {
	for format, file := range map[string]string{
		"csv":   "slug,url\nkettle,https://shop.example/kettle\n",
		"jsonl": `{"slug":"kettle","destinations":[{"url":"https://shop.example/kettle"}]}` + "\n",
		"nginx": "map $uri $target {\n    /go/kettle https://shop.example/kettle;\n}\n",
	} {
		for _, query := range []string{"?format=" + format, ""} {
			t.Run(format+query, func(t *testing.T) {
				w := newWorld(t)
				events := w.upload(socket, query, file)
				if r := events[len(events)-1].Report; r == nil || r.Created != 1 || r.Format != format {
					t.Fatalf("events %+v", events)
				}
				var l Link
				w.do(socket, "GET", "/links/by-slug?slug=kettle", nil).want(200, &l)
				if l.Destinations[0].URL != "https://shop.example/kettle" || l.Site != "blog" {
					t.Errorf("link %+v", l)
				}
			})
		}
	}
}

func TestImportTakesGzip(t *testing.T) {
	w := newWorld(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte("slug,url\nkettle,https://shop.example/kettle\n"))
	w.must(errors.Join(err, z.Close()))
	events := w.upload(socket, "", packed.String())
	if r := events[0].Report; r == nil || r.Created != 1 {
		t.Errorf("events %+v", events)
	}
}

func TestUpdateLeavesAloneWhatTheFileDoesNotHave(t *testing.T) {
	w := newWorld(t)
	var l Link
	w.do(socket, "POST", "/links", map[string]any{"slug": "kettle", "url": "https://shop.example/old", "note": "mine", "tags": []string{"a"}, "block_bots": true}).want(201, nil)
	events := w.upload(socket, "?format=csv", "slug,url,tags\nkettle,https://shop.example/new,b\n")
	if events[0].Bad == nil || !strings.Contains(events[0].Bad.Reason, "taken") {
		t.Fatalf("without update: %+v", events)
	}
	events = w.upload(socket, "?format=csv&update=true", "slug,url,tags\nkettle,https://shop.example/new,b\n")
	if r := events[0].Report; r == nil || r.Updated != 1 {
		t.Fatalf("events %+v", events)
	}
	w.do(socket, "GET", "/links/1", nil).want(200, &l)
	if l.Note != "mine" || !l.BlockBots || l.Tags[0] != "b" || l.Destinations[0].URL != "https://shop.example/new" {
		t.Errorf("link %+v", l)
	}
	w.upload(socket, "?format=nginx&update=true", "map $uri $t {\n    /go/kettle https://shop.example/newer;\n}\n")
	w.do(socket, "GET", "/links/1", nil).want(200, &l)
	if l.Note != "mine" || l.Tags[0] != "b" || l.Destinations[0].URL != "https://shop.example/newer" {
		t.Errorf("link %+v", l)
	}
	events = w.upload(socket, "?format=csv&update=true", "slug,url\nkettle,https://shop.example/newer\n")
	if r := events[0].Report; r.Unchanged != 1 || r.Updated != 0 {
		t.Errorf("report %+v", r)
	}
}

// A file of the caller's that is broken is the caller's fault, and says where.
func TestBrokenFiles(t *testing.T) {
	w := newWorld(t)
	for name, file := range map[string]string{
		"cut off":         "slug,url\nkettle,\"https://shop.example/ket",
		"cut off in gzip": "\x1f\x8b\x08\x00\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			a := w.do(socket, "POST", "/links/import", file, "Content-Type", "text/csv")
			p := Problem{}
			if a.Code == 200 {
				var e ImportEvent
				a.want(200, &e)
				if e.Error == nil {
					t.Fatalf("answer %s", a.Body)
				}
				p = *e.Error
			} else {
				p = a.problem(422, "invalid")
			}
			if p.Code != "invalid" || !strings.Contains(p.Detail, "cut off") || w.total() != 0 {
				t.Errorf("problem %+v, %d links", p, w.total())
			}
		})
	}
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("logged as our fault: %s", w.log)
	}
}

func TestImportLimit(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ImportBytesMax = 100 })
	p := w.do(socket, "POST", "/links/import", strings.Repeat("x", 101), "Content-Type", "text/csv").problem(413, "too_large")
	if !strings.Contains(p.Detail, "100 bytes") {
		t.Errorf("detail %q", p.Detail)
	}
	var packed bytes.Buffer // small on the wire, large inside
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte("slug,url\n" + strings.Repeat("kettle,https://shop.example/\n", 1000)))
	w.must(errors.Join(err, z.Close()))
	a := w.do(socket, "POST", "/links/import", packed.String(), "Content-Type", "application/octet-stream")
	if !strings.Contains(a.Body.String(), "too_large") || w.total() != 0 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// An upload that stops half way changes nothing and leaves nothing behind.
func TestUploadThatIsCutOff(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func(o *Options) { o.TempDir = dir })
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer close(done)
		socketed := AsOperator(w.handler)
		socketed.ServeHTTP(rw, r)
	}))
	defer server.Close()
	pipe, sender := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+prefix+"/links/import?format=csv", pipe)
	w.must(err)
	go func() {
		_, _ = sender.Write([]byte("slug,url\nkettle,https://shop.example/\n"))
		_ = sender.CloseWithError(errors.New("the line broke"))
	}()
	if response, err := http.DefaultClient.Do(request); err == nil {
		_ = response.Body.Close()
	}
	<-done
	left, err := os.ReadDir(dir)
	w.must(err)
	if len(left) != 0 || w.total() != 0 {
		t.Errorf("%d files and %d links are left", len(left), w.total())
	}
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("logged as our fault: %s", w.log)
	}
}

// Uploads take disk space; there is a limit to how many there are at once.
func TestTooManyFilesAtOnce(t *testing.T) {
	w := newWorld(t)
	started, finish := make(chan struct{}), make(chan struct{})
	slow := slowImports{Catalog: w.catalog, started: started, finish: finish}
	w.handler = New(Options{Catalog: slow, Accounts: w.accounts, Analytics: w.analytics, Now: w.clock.Now})
	file := "slug,url\nkettle,https://shop.example/\n"
	var running sync.WaitGroup
	for range filesMax {
		running.Go(func() { w.do(socket, "POST", "/links/import", file, "Content-Type", "text/csv") })
		<-started
	}
	a := w.do(socket, "POST", "/links/import", file, "Content-Type", "text/csv")
	a.problem(503, "unavailable")
	if a.Header().Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	w.do(socket, "GET", "/links/export", nil).problem(503, "unavailable")
	close(finish)
	running.Wait()
	for range filesMax + 1 { // each gives its place back, also when it fails
		w.do(socket, "GET", "/links/export", nil).want(200, nil)
		w.do(socket, "POST", "/links/import?format=csv", "nonsense", "Content-Type", "text/csv").problem(422, "invalid")
	}
}

// slowImports says that it has started and waits to be told to finish.
type slowImports struct {
	Catalog
	started, finish chan struct{}
}

func (s slowImports) ImportLinks(context.Context, catalog.Actor, catalog.LinkSource, catalog.ImportOptions) (catalog.ImportReport, error) {
	s.started <- struct{}{}
	<-s.finish
	return catalog.ImportReport{}, nil
}

func TestProgressIsToldOncePerSecond(t *testing.T) {
	w := newWorld(t)
	tick := failingProgress{Catalog: w.catalog, step: func() { w.clock.Add(progressEvery / 2) }}
	w.handler = New(Options{Catalog: tick, Accounts: w.accounts, Analytics: w.analytics, Now: w.clock.Now})
	var told []int64
	for _, e := range w.upload(socket, "?format=csv", "slug,url\nkettle,https://shop.example/\n") {
		if e.Progress != nil {
			told = append(told, *e.Progress)
		}
	}
	if fmt.Sprint(told) != "[2 4 6]" {
		t.Errorf("told %v of the steps 1 to 6, half a second apart", told)
	}
}

// failingProgress reports six steps before it imports.
type failingProgress struct {
	Catalog
	step func()
}

func (f failingProgress) ImportLinks(_ context.Context, _ catalog.Actor, _ catalog.LinkSource, o catalog.ImportOptions) (catalog.ImportReport, error) {
	for i := range 6 {
		f.step()
		o.Progress(int64(i + 1))
	}
	return catalog.ImportReport{Read: 6, Applied: true}, nil
}

func TestExportIsWhatImportReads(t *testing.T) {
	w := newWorld(t)
	w.do(socket, "POST", "/links", map[string]any{"slug": "kettle", "url": "https://shop.example/kettle", "note": "=1+1", "tags": []string{"a", "b"}}).want(201, nil)
	w.do(socket, "POST", "/links", map[string]any{"slug": "pot", "url": "https://shop.example/pot"}).want(201, nil)
	for format, contentType := range map[string]string{"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson", "nginx": "text/plain; charset=utf-8"} {
		t.Run(format, func(t *testing.T) {
			a := w.do(w.token("mia", account.Read), "GET", "/links/export?format="+format, nil).want(200, nil)
			if a.Header().Get("Content-Type") != contentType || !strings.HasPrefix(a.Header().Get("Content-Disposition"), "attachment; filename=\"links.") {
				t.Errorf("headers %v", a.Header())
			}
			other := newWorld(t)
			events := other.upload(socket, "?format="+format, a.Body.String())
			if r := events[len(events)-1].Report; r == nil || r.Created != 2 {
				t.Fatalf("events %+v", events)
			}
			var l Link
			other.do(socket, "GET", "/links/by-slug?slug=kettle", nil).want(200, &l)
			if l.Destinations[0].URL != "https://shop.example/kettle" || format != "nginx" && (l.Note != "=1+1" || len(l.Tags) != 2) {
				t.Errorf("link %+v", l)
			}
		})
	}
}

func TestExportSaysWhatTheFormatCannotExpress(t *testing.T) {
	w := newWorld(t)
	w.add("plain", "https://shop.example/plain")
	w.do(socket, "POST", "/links", map[string]any{"slug": "split", "destinations": []map[string]any{
		{"url": "https://a.example/", "weight": 1}, {"url": "https://b.example/", "weight": 1}}}).want(201, nil)
	p := w.do(socket, "GET", "/links/export?format=nginx", nil).problem(422, "invalid")
	if len(p.Errors) != 1 || p.Errors[0].Field != "blog/split" {
		t.Errorf("errors %v", p.Errors)
	}
	a := w.do(socket, "GET", "/links/export?format=nginx&skip=true", nil).want(200, nil)
	if a.Header().Get("Sluice-Skipped") != "1" || !strings.Contains(a.Body.String(), "/go/plain") || strings.Contains(a.Body.String(), "split") {
		t.Errorf("skipped %q: %s", a.Header().Get("Sluice-Skipped"), a.Body)
	}
	w.do(socket, "POST", "/sites", map[string]any{"id": "shop", "hosts": []string{"shop.example"}}).want(201, nil)
	w.do(socket, "GET", "/links/export?format=nginx", nil).problem(422, "invalid")
	a = w.do(socket, "GET", "/links/export?format=jsonl&site=shop", nil).want(200, nil)
	if a.Body.Len() != 0 {
		t.Errorf("a site without links: %s", a.Body)
	}
}

// brokenExport fails after or before its first bytes.
type brokenExport struct {
	Analytics
	first string
}

func (b brokenExport) Export(_ context.Context, _ analytics.Filter, _ analytics.ExportFormat, w io.Writer) error {
	if b.first != "" {
		if _, err := io.WriteString(w, b.first); err != nil {
			return err
		}
	}
	return affiliate.Errorf(affiliate.Unavailable, "the engine stopped")
}

func TestHalfADownloadIsNotTakenForAWholeOne(t *testing.T) {
	for _, first := range []string{"", "time,id\n"} {
		w := newWorld(t, func(o *Options) { o.Analytics = brokenExport{o.Analytics, first} })
		server := httptest.NewServer(AsOperator(w.handler))
		response, err := http.Get(server.URL + prefix + "/clicks/export")
		if first == "" {
			w.must(err)
			if response.StatusCode != 503 || response.Header.Get("Content-Type") != "application/problem+json" || response.Header.Get("Content-Disposition") != "" {
				t.Errorf("before the first byte: %s %v", response.Status, response.Header)
			}
		} else if err == nil {
			if text, err := io.ReadAll(response.Body); err == nil {
				t.Errorf("after the first byte: %q looks whole", text)
			}
		}
		if response != nil {
			_ = response.Body.Close()
		}
		server.Close()
	}
}
