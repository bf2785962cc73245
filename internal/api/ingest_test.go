package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ingest"
)

// intake takes every line that begins with a brace.
type intake struct{}

func (intake) Key(site string, number int) []byte { return []byte(site + strconv.Itoa(number)) }

func (intake) TakeLog(_ context.Context, format ingest.Format, host string, log []byte) (r ingest.Receipt, err error) {
	if host == "busy.example" {
		return r, affiliate.Errorf(affiliate.Unavailable, "too many clicks are being taken in")
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(log), "\n"), "\n") {
		if strings.HasPrefix(line, "{") {
			r.Taken++
			continue
		}
		r.Refused++
		r.Refusals = append(r.Refusals, ingest.LineRefusal{Line: i + 1, Why: string(format) + " of " + host + ": no click"})
	}
	return r, nil
}

func TestIngestKeys(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v1/sites/blog/ingest-keys"
	names := func(a *answer) (names []string) {
		t.Helper()
		var list IngestKeyList
		a.want(http.StatusOK, &list)
		for _, k := range list.Items {
			if k.Current != (k == list.Items[0]) || k.Secret != ingest.Secret(intake{}.Key("blog", k.Number)) {
				t.Errorf("%+v among %+v", k, list)
			}
			names = append(names, k.Name)
		}
		if list.Address != "https://blog.example/ingest/clicks" && !strings.HasSuffix(list.Address, "/ingest/clicks") {
			t.Errorf("batches go to %s", list.Address)
		}
		return names
	}
	want := func(a *answer, want ...string) {
		t.Helper()
		if got := names(a); !slices.Equal(got, want) {
			t.Errorf("keys %v, want %v", got, want)
		}
	}
	want(w.do(socket, "GET", path, nil), "blog.1")
	want(w.do(socket, "POST", path, nil), "blog.2", "blog.1")
	want(w.do(socket, "POST", path, nil), "blog.3", "blog.2", "blog.1")
	want(w.do(socket, "DELETE", path+"/2", nil), "blog.3", "blog.1")
	w.do(socket, "DELETE", path+"/2", nil).problem(http.StatusNotFound, "not_found")
	w.do(socket, "DELETE", path+"/3", nil).problem(http.StatusConflict, "conflict")
	w.do(w.token("mia", account.Write), "GET", path, nil).problem(http.StatusForbidden, "forbidden")
	// Who writes the site and knows nothing of keys changes none.
	w.do(socket, "PUT", "/api/v1/sites/blog", map[string]any{"hosts": []string{"blog.example"}, "name": "Blog"}).want(http.StatusOK, nil)
	want(w.do(socket, "GET", path, nil), "blog.3", "blog.1")
	w.do(socket, "PUT", "/api/v1/sites/blog", map[string]any{"hosts": []string{"blog.example"}, "ingest_keys": map[string]any{"current": 3, "old": []int{2}}}).problem(http.StatusUnprocessableEntity, "invalid")
}

func TestIngestLog(t *testing.T) {
	w := newWorld(t)
	var r IngestReceipt
	w.do(w.token("admin", account.Write), "POST", "/api/v1/ingest?format=combined&host=blog.example", "{}\nx\n{}\n").want(http.StatusOK, &r)
	if r.Taken != 2 || r.Refused != 1 || len(r.Refusals) != 1 || r.Refusals[0] != (IngestRefusal{2, "combined of blog.example: no click"}) {
		t.Errorf("%+v", r)
	}
	w.do(socket, "POST", "/api/v1/ingest?format=xml", "{}").problem(http.StatusUnprocessableEntity, "invalid")
	w.do(socket, "POST", "/api/v1/ingest?host=busy.example", "{}").problem(http.StatusServiceUnavailable, "unavailable")
	w.do(socket, "POST", "/api/v1/ingest", strings.Repeat("x", ingest.LogBytesMax+1)).problem(http.StatusRequestEntityTooLarge, "too_large")
	w.do(w.token("mia", account.Write), "POST", "/api/v1/ingest", "{}").problem(http.StatusForbidden, "forbidden")
	w.do(w.token("admin", account.Read), "POST", "/api/v1/ingest", "{}").problem(http.StatusForbidden, "forbidden")
}
