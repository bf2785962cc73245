package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	w.add("taken", "https://shop.example/")
	large := `{"slug": "x", "url": "https://shop.example/", "note": "` + strings.Repeat("x", bodyBytesMax) + `"}`
	link := func(fields string) string { return `{"slug": "x", "url": "https://shop.example/", ` + fields + `}` }
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code                     string
		detail                   string   // part of it
		fields                   []string // of the errors
		message                  string   // part of the first error's
	}{
		{"no body", "POST", "/links", "", 400, "invalid", "body is required", nil, ""},
		{"no JSON", "POST", "/links", `{"slug"`, 400, "invalid", "body cannot be read", []string{""}, "not JSON"},
		{"JSON of another kind", "POST", "/links", `[1]`, 422, "invalid", "not valid", []string{""}, "object"},
		{"unknown field", "POST", "/links", link(`"slugg": "y"`), 422, "invalid", "", []string{"slugg"}, "no such field"},
		{"unknown nested field", "POST", "/links", `{"slug":"x","destinations":[{"url":"https://shop.example/","wait":1}]}`, 422, "invalid", "", []string{"destinations[0].wait"}, "no such field"},
		{"wrong kind of value", "POST", "/links", link(`"block_bots": "yes"`), 422, "invalid", "", []string{"block_bots"}, "boolean"},
		{"number too large", "POST", "/links", link(`"id": 1e300`), 422, "invalid", "", []string{""}, "out of range"},
		{"no time", "POST", "/links", link(`"starts_at": "tomorrow"`), 422, "invalid", "", []string{"starts_at"}, "date-time"},
		{"unknown status", "POST", "/links", link(`"status": "on"`), 422, "invalid", "", []string{"status"}, "active, paused, archived"},
		{"no redirect", "POST", "/links", link(`"code": 200`), 422, "invalid", "", []string{"code"}, "302"},
		{"nothing", "POST", "/links", `{}`, 422, "invalid", "", []string{"destinations"}, "at least one URL"},
		{"script", "POST", "/links", `{"slug":"x","url":"javascript:alert(1)"}`, 422, "invalid", "", []string{"destinations[0].url"}, `"javascript" is not allowed`},
		{"two faults at once", "POST", "/links", `{"slug":"a b","url":"ftp://shop.example/"}`, 422, "invalid", "", []string{"destinations[0].url", "slug"}, ""},
		{"unknown macro", "POST", "/links", `{"slug":"x","url":"https://shop.example/?a={nope}"}`, 422, "invalid", "", []string{"destinations[0].url"}, "unknown macro {nope}"},
		{"weights of zero", "POST", "/links", `{"slug":"x","destinations":[{"url":"https://a.example/","weight":0},{"url":"https://b.example/","weight":0}]}`, 422, "invalid", "", []string{"destinations"}, "sum to zero"},
		{"unknown site", "POST", "/links", link(`"site": "other"`), 422, "invalid", "", []string{"site"}, "other"},
		{"unknown program", "POST", "/links", link(`"program": "none"`), 422, "invalid", "", []string{"program"}, "create it first"},
		{"url and destinations", "POST", "/links", link(`"destinations": [{"url": "https://shop.example/"}]`), 422, "invalid", "", []string{"url"}, "not both"},
		{"an id of one's own", "POST", "/links", link(`"id": 7`), 422, "invalid", "", []string{"id"}, "leave it out"},
		{"taken slug", "POST", "/links", `{"slug":"TAKEN","url":"https://shop.example/"}`, 409, "conflict", "taken", nil, ""},
		{"too large", "POST", "/links", large, 413, "too_large", "too large", nil, ""},
		{"patch of another kind", "PATCH", "/links/1", `[]`, 422, "invalid", "", []string{""}, "object"},
		{"patch with a wrong value", "PATCH", "/links/1", `{"tags": "x"}`, 422, "invalid", "", []string{"tags"}, "array"},
		{"patch with an unknown field", "PATCH", "/links/1", `{"slugg": null}`, 422, "invalid", "", []string{"slugg"}, "no such field"},
		{"patch that breaks a rule", "PATCH", "/links/1", `{"destinations": null}`, 422, "invalid", "", []string{"destinations"}, "at least one URL"},
		{"patch of the id", "PATCH", "/links/1", `{"id": 2}`, 422, "invalid", "", []string{"id"}, "cannot be changed"},
		{"another id in the body", "PUT", "/links/1", link(`"id": 2`), 422, "invalid", "", []string{"id"}, "cannot be changed"},
		{"no number", "GET", "/links/one", "", 422, "invalid", "", []string{"id"}, "integer"},
		{"zero", "GET", "/links/0", "", 422, "invalid", "", []string{"id"}, ">= 1"},
		{"number beyond all", "GET", "/links/99999999999999999999", "", 422, "invalid", "", []string{"id"}, "integer"},
		{"limit of zero", "GET", "/links?limit=0", "", 422, "invalid", "", []string{"limit"}, ">= 1"},
		{"limit beyond the limit", "GET", "/links?limit=1001", "", 422, "invalid", "", []string{"limit"}, "<= 1000"},
		{"unknown state", "GET", "/links?status=on", "", 422, "invalid", "", []string{"status"}, "one of"},
		{"broken cursor", "GET", "/links?cursor=%21", "", 422, "invalid", "", nil, ""},
		{"partner without program", "GET", "/links?partner=mia", "", 422, "invalid", "", nil, ""},
		{"misspelt parameters", "GET", "/links?stat=x&tags=y", "", 422, "invalid", "", []string{"stat", "tags"}, "no such parameter"},
		{"no slug", "GET", "/links/by-slug", "", 422, "invalid", "", []string{"slug"}, "missing"},
		{"unknown slug", "GET", "/links/by-slug?slug=none", "", 404, "not_found", "none", nil, ""},
		{"unknown format", "POST", "/links/import?format=xml", "slug,url\n", 422, "invalid", "", []string{"format"}, "csv, jsonl, nginx"},
		{"unknown site of a file", "POST", "/links/import?site=none", "slug,url\n", 422, "invalid", "", []string{"site"}, "none"},
		{"unknown column", "POST", "/links/import?format=csv", "slug,url,colour\n", 422, "invalid", "", []string{"", ""}, "colour"},
		{"map of no site", "GET", "/links/export?format=nginx&site=none", "", 422, "invalid", "", []string{"site"}, "none"},
		{"no time of a report", "GET", "/reports/clicks?since=soon&until=x&zone=Mars", "", 422, "invalid", "", []string{"zone", "since", "until"}, "Europe/Berlin"},
		{"unknown dimension", "GET", "/reports/clicks?by=day,colour", "", 422, "invalid", "", []string{"by[1]"}, "country"},
		{"too many dimensions", "GET", "/reports/clicks?by=day,link,site,country,device", "", 422, "invalid", "", []string{"by"}, "at most 4"},
		{"a dimension twice", "GET", "/reports/clicks?by=link,link", "", 422, "invalid", "twice", nil, ""},
		{"unknown order", "GET", "/reports/clicks?by=link&order=-money", "", 422, "invalid", "money", nil, ""},
		{"unknown filter", "GET", "/reports/clicks?is=colour:red&is=day:x&is=site&is.size=3", "", 422, "invalid", "", []string{"is[0]", "is[1]", "is[2]", "is.size"}, "country"},
		{"too many rows", "GET", "/reports/clicks?limit=100001", "", 422, "invalid", "", []string{"limit"}, "100000"},
		{"unknown form of clicks", "GET", "/clicks/export?format=xlsx", "", 422, "invalid", "", []string{"format"}, "parquet"},
		{"login with nothing", "POST", "/login", `{}`, 422, "invalid", "either code", nil, ""},
		{"login with everything", "POST", "/login", `{"code":"c","user":"u","password":"p"}`, 422, "invalid", "either code", nil, ""},
		{"user without name", "POST", "/users", `{}`, 422, "invalid", "", []string{""}, "name is missing"},
		{"short password", "POST", "/users", `{"name":"ann","password":"x"}`, 422, "invalid", "", []string{"password"}, ""},
		{"token of unknown scope", "POST", "/tokens", `{"name":"x","user":"mia","scopes":["all"]}`, 422, "invalid", "", []string{"scopes[0]"}, "read, write"},
		{"site without id", "POST", "/sites", `{"hosts":["x.example"]}`, 422, "invalid", "", []string{"id"}, "missing"},
		{"partner of no program", "POST", "/partners", `{"program":"none","code":"x"}`, 422, "invalid", "", []string{"program"}, "none"},
		{"unknown path", "GET", "/link", "", 404, "not_found", DocumentPath, nil, ""},
		{"outside of the API", "GET", "/api/v2/links", "", 404, "not_found", "", nil, ""},
		{"another method", "DELETE", "/links", "", 405, "method_not_allowed", "GET", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var body any
			if c.body != "" {
				body = c.body
			}
			p := w.do(socket, c.method, c.path, body).problem(c.status, c.code)
			if !strings.Contains(p.Detail, c.detail) {
				t.Errorf("detail %q does not say %q", p.Detail, c.detail)
			}
			var fields []string
			for _, f := range p.Errors {
				fields = append(fields, f.Field)
				if f.Message == "" {
					t.Errorf("no message for %q", f.Field)
				}
			}
			if c.fields != nil && !slices.Equal(slices.Sorted(slices.Values(fields)), slices.Sorted(slices.Values(c.fields))) {
				t.Errorf("errors %v, want of %v", p.Errors, c.fields)
			}
			if c.message != "" && (len(p.Errors) == 0 || !strings.Contains(p.Errors[0].Message, c.message)) {
				t.Errorf("errors %v do not say %q", p.Errors, c.message)
			}
		})
	}
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("what callers did wrong is logged as our error:\n%s", w.log)
	}
}

func TestBodyMustBeJSON(t *testing.T) {
	w := newWorld(t)
	w.do(socket, "POST", "/links", `slug=x`, "Content-Type", "application/x-www-form-urlencoded").problem(415, codeMedia)
	w.do(socket, "POST", "/links", `{"url":"https://shop.example/"}`, "Content-Type", "text/plain").problem(415, codeMedia)
	w.do(socket, "POST", "/links", `{"url":"https://shop.example/"}`, "Content-Type", "application/json; charset=utf-8").want(201, nil)
}

func TestAllowNamesTheMethods(t *testing.T) {
	w := newWorld(t)
	a := w.do(socket, "PUT", "/links", nil)
	a.problem(405, codeMethod)
	if allow := a.Header().Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow is %q", allow)
	}
}

func TestSecurityHeadersAreEverywhere(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/links", "/nowhere", DocumentPath} {
		h := w.do(nobody, "GET", path, nil).Header()
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
}

// failing is a catalog whose listing of sites goes wrong in the given way.
type failing struct {
	Catalog
	sites func() error
}

func (f failing) Sites(context.Context) ([]affiliate.Site, error) { return nil, f.sites() }

func TestOurOwnFailuresAreLoggedAndNotTold(t *testing.T) {
	for name, sites := range map[string]func() error{
		"error": func() error { return errors.New("disk /secret/path is on fire") },
		"panic": func() error { panic("secret state") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) { o.Catalog = failing{o.Catalog, sites} })
			a := w.do(w.session("admin"), "GET", "/sites", nil)
			a.problem(500, codeInternal)
			if strings.Contains(a.Body.String(), "secret") {
				t.Errorf("the caller learns too much: %s", a.Body)
			}
			if log := w.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "secret") {
				t.Errorf("the log does not say what happened: %s", log)
			}
		})
	}
}

// The command line on the same machine is told what its user can look up anyway.
func TestFailuresAreToldOverTheSocket(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Catalog = failing{o.Catalog, func() error { return errors.New("the disk /data is full; free some space") }}
	})
	if p := w.do(socket, "GET", "/sites", nil).problem(500, codeInternal); !strings.Contains(p.Detail, "free some space") {
		t.Errorf("detail %q", p.Detail)
	}
}

func TestEveryCodeHasItsStatus(t *testing.T) {
	var failure error
	w := newWorld(t, func(o *Options) { o.Catalog = failing{o.Catalog, func() error { return failure }} })
	for code, want := range map[affiliate.Code]int{
		affiliate.Invalid: 422, affiliate.NotFound: 404, affiliate.Conflict: 409, affiliate.Stale: 412, affiliate.Forbidden: 403,
		affiliate.Unsigned: 401, affiliate.Unavailable: 503, affiliate.TooLarge: 413,
	} {
		failure = affiliate.Errorf(code, "because")
		if p := w.do(socket, "GET", "/sites", nil).problem(want, string(code)); p.Detail != "because" {
			t.Errorf("%s: detail %q", code, p.Detail)
		}
	}
}

func TestRequestsAreLoggedWithoutSecrets(t *testing.T) {
	w := newWorld(t)
	w.do(bearer("sluice_topsecret"), "GET", "/links", nil)
	w.do(nobody, "POST", "/login", Login{User: "admin", Password: "topsecret"})
	w.do(nobody, "POST", "/login", `{"user":"admin","password":["topsecret"]}`)
	if log := w.log.String(); !strings.Contains(log, "path=/api/v1/links status=401") || strings.Contains(log, "topsecret") {
		t.Errorf("log: %s", log)
	}
}

// A problem must not repeat what was sent: it may be a password in the wrong place.
func TestProblemsDoNotEchoValues(t *testing.T) {
	w := newWorld(t)
	a := w.do(nobody, "POST", "/login", `{"user":"admin","password":["topsecret"]}`)
	a.problem(422, "invalid")
	if strings.Contains(a.Body.String(), "topsecret") {
		t.Errorf("the answer repeats the value: %s", a.Body)
	}
}

var _ Catalog = (*catalog.Catalog)(nil)

func TestUnknownRouteIsAProblemOnARealServer(t *testing.T) {
	server := httptest.NewServer(newWorld(t).handler)
	defer server.Close()
	response, err := http.Post(server.URL+"/api/v1/nothing", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != 404 || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s", response.Status, response.Header.Get("Content-Type"))
	}
}
