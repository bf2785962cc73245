package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// connect returns the client of a server over real engines, on a unix socket as
// the command line has it, and the server's register of users.
func connect(t *testing.T) (*client.Client, *account.Accounts) {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "control.db")})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	links, err := catalog.Open(t.Context(), catalog.Options{Store: db})
	must(t, err)
	clicks, err := duckdb.Open(duckdb.Options{Path: filepath.Join(dir, "clicks.db")})
	must(t, err)
	t.Cleanup(func() { must(t, clicks.Close()) })
	accounts := account.Open(account.Options{Store: db})
	handler := api.New(api.Options{Catalog: links, Accounts: accounts, Analytics: clicks, TempDir: dir, Version: "1.2.3"})
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	must(t, err)
	server := &http.Server{Handler: api.AsOperator(handler)}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return client.New(client.Options{BaseURL: "http://sluice", HTTP: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}}), accounts
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func input(slug, url string) api.LinkInput {
	return api.LinkInput{Link: affiliate.Link{Slug: slug}, URL: url}
}

func TestLinks(t *testing.T) {
	c, _ := connect(t)
	ctx := t.Context()
	made, err := c.CreateLink(ctx, input("kettle", "https://shop.example/kettle"), "key")
	must(t, err)
	again, err := c.CreateLink(ctx, input("kettle", "https://shop.example/kettle"), "key")
	must(t, err)
	if made.ID == 0 || made.ID != again.ID || made.Status != affiliate.Active {
		t.Fatalf("made %+v, again %+v", made, again)
	}
	found, err := c.LinkBySlug(ctx, "", "Kettle")
	must(t, err)
	found.Note = "mine"
	updated, err := c.UpdateLink(ctx, found.ID, api.LinkInput{Link: found.Link}, found.Version)
	must(t, err)
	if updated.Note != "mine" || updated.Version != 2 {
		t.Errorf("updated %+v", updated)
	}
	if _, err := c.UpdateLink(ctx, found.ID, api.LinkInput{Link: found.Link}, 1); affiliate.CodeOf(err) != affiliate.Stale {
		t.Errorf("an update of an old version: %v", err)
	}
	patched, err := c.PatchLink(ctx, found.ID, map[string]any{"note": nil, "page": "/p"}, 2)
	must(t, err)
	if patched.Note != "" || patched.Page != "/p" {
		t.Errorf("patched %+v", patched)
	}
	list, err := c.Links(ctx, catalog.LinkFilter{Text: "kett", Status: affiliate.Active, Limit: 10})
	must(t, err)
	if list.Total != 1 || list.Items[0].ID != made.ID {
		t.Errorf("listed %+v", list)
	}
	history, err := c.LinkChanges(ctx, made.ID, 0, 2)
	must(t, err)
	all, err := c.Changes(ctx, 0, 0)
	must(t, err)
	if len(history.Items) != 2 || history.Next == 0 || len(all.Items) != 4 {
		t.Errorf("history %+v, all %d", history, len(all.Items))
	}
	must(t, c.DeleteLink(ctx, made.ID, 0))
	if _, err := c.Link(ctx, made.ID); affiliate.CodeOf(err) != affiliate.NotFound {
		t.Errorf("a deleted link: %v", err)
	}
}

// The faults of a document arrive as if the catalog had been called directly.
func TestFaultsSurvive(t *testing.T) {
	c, _ := connect(t)
	_, err := c.CreateLink(t.Context(), input("a b", "javascript:alert(1)"), "")
	var e *affiliate.Error
	if !errors.As(err, &e) || e.Code != affiliate.Invalid || len(e.Faults) != 2 || e.Message == "" {
		t.Fatalf("error %#v", err)
	}
	for _, f := range e.Faults {
		if f.Field == "" || f.Message == "" {
			t.Errorf("fault %+v", f)
		}
	}
}

func TestFiles(t *testing.T) {
	c, _ := connect(t)
	ctx := t.Context()
	file := "slug,url\nkettle,https://shop.example/kettle\nbad one,https://shop.example/\n"
	var bad []catalog.BadLine
	options := client.ImportOptions{Format: "csv", SkipBad: true, Bad: func(b catalog.BadLine) error {
		bad = append(bad, b)
		return nil
	}}
	report, err := c.ImportLinks(ctx, strings.NewReader(file), options)
	must(t, err)
	if !report.Applied || report.Created != 1 || report.Bad != 1 || len(bad) != 1 || bad[0].Line != 3 {
		t.Errorf("report %+v, bad %+v", report, bad)
	}
	enough := errors.New("enough")
	options.Bad = func(catalog.BadLine) error { return enough }
	if _, err := c.ImportLinks(ctx, strings.NewReader(file), options); !errors.Is(err, enough) {
		t.Errorf("the callback's error became %v", err)
	}
	if _, err := c.ImportLinks(ctx, strings.NewReader("slug,url\nx,\"htt"), client.ImportOptions{}); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Errorf("a file that is cut off: %v", err)
	}
	var out bytes.Buffer
	skipped, err := c.ExportLinks(ctx, "jsonl", "", false, &out)
	must(t, err)
	if skipped != 0 || !strings.Contains(out.String(), `"slug":"kettle"`) {
		t.Errorf("exported %q", out.String())
	}
}

// Many bad lines are told while the server still reads: neither side may wait for
// the other for ever.
func TestImportWithManyBadLines(t *testing.T) {
	c, _ := connect(t)
	var file strings.Builder
	file.WriteString("slug,url\n")
	const n = 20_000
	for i := range n {
		fmt.Fprintf(&file, "bad name %d,https://shop.example/\n", i)
	}
	count := 0
	report, err := c.ImportLinks(t.Context(), strings.NewReader(file.String()), client.ImportOptions{Bad: func(catalog.BadLine) error {
		count++
		return nil
	}})
	must(t, err)
	if count != n || report.Bad != n || report.Applied {
		t.Errorf("%d bad lines told, report %+v", count, report)
	}
}

func TestReports(t *testing.T) {
	c, _ := connect(t)
	ctx := t.Context()
	report, err := c.Report(ctx, client.ReportQuery{By: []string{"day", "link"}, Limit: 5, All: true,
		ClickFilter: client.ClickFilter{Since: "7d", Zone: "Europe/Berlin", Is: []string{"country:DE", "country:AT"}}})
	must(t, err)
	if report.Zone != "Europe/Berlin" || len(report.By) != 2 || report.Totals["clicks"] != 0 {
		t.Errorf("report %+v", report)
	}
	var table, clicks bytes.Buffer
	must(t, c.ReportCSV(ctx, client.ReportQuery{By: []string{"country"}}, &table))
	must(t, c.ExportClicks(ctx, client.ClickFilter{Since: "24h"}, "csv", &clicks))
	if table.String() != "country,clicks,uniques\n" || !strings.HasPrefix(clicks.String(), "time,id,") {
		t.Errorf("table %q, clicks %q", table.String(), clicks.String())
	}
	if _, err := c.Report(ctx, client.ReportQuery{By: []string{"colour"}}); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Errorf("an unknown dimension: %v", err)
	}
}

func TestSitesProgramsPartners(t *testing.T) {
	c, _ := connect(t)
	ctx := t.Context()
	site, err := c.CreateSite(ctx, affiliate.Site{ID: "shop", Hosts: []string{"shop.example"}})
	must(t, err)
	site.Name = "Shop"
	site, err = c.UpdateSite(ctx, site.Site, site.Version)
	must(t, err)
	sites, err := c.Sites(ctx)
	must(t, err)
	if site.Name != "Shop" || len(sites) != 2 {
		t.Errorf("site %+v of %d", site, len(sites))
	}
	_, err = c.Site(ctx, "shop")
	must(t, err)
	must(t, c.DeleteSite(ctx, "shop", site.Version))

	program, err := c.CreateProgram(ctx, affiliate.Program{ID: "acme"})
	must(t, err)
	program.Name = "Acme"
	_, err = c.UpdateProgram(ctx, program.Program, program.Version)
	must(t, err)
	partner, err := c.CreatePartner(ctx, affiliate.Partner{Program: "acme", Code: "mia"})
	must(t, err)
	partner.Status = affiliate.Paused
	_, err = c.UpdatePartner(ctx, partner.Partner, 0)
	must(t, err)
	partner, err = c.Partner(ctx, "acme", "mia")
	must(t, err)
	partners, err := c.Partners(ctx, "acme")
	must(t, err)
	programs, err := c.Programs(ctx)
	must(t, err)
	if partner.Status != affiliate.Paused || len(partners) != 1 || len(programs) != 1 || programs[0].Name != "Acme" {
		t.Errorf("partner %+v of %d, programs %+v", partner, len(partners), programs)
	}
	if err := c.DeleteProgram(ctx, "acme", 0); affiliate.CodeOf(err) != affiliate.Conflict {
		t.Errorf("a program with a partner: %v", err)
	}
	must(t, c.DeletePartner(ctx, "acme", "mia", 0))
	must(t, c.DeleteProgram(ctx, "acme", 0))
	if _, err := c.Program(ctx, "acme"); affiliate.CodeOf(err) != affiliate.NotFound {
		t.Errorf("a deleted program: %v", err)
	}
}

func TestUsersAndTokens(t *testing.T) {
	c, accounts := connect(t)
	ctx := t.Context()
	_, err := c.CreateUser(ctx, api.UserInput{Name: "ann", Operator: true})
	must(t, err)
	code, err := c.LoginCode(ctx, "ann")
	must(t, err)
	if _, err := accounts.LoginWithCode(ctx, code); err != nil {
		t.Errorf("the code does not let in: %v", err)
	}
	token, err := c.CreateToken(ctx, "ann", "export", []string{"read"}, nil)
	must(t, err)
	if _, err := accounts.Authenticate(ctx, token.Secret); err != nil {
		t.Errorf("the token is not known: %v", err)
	}
	tokens, err := c.Tokens(ctx)
	must(t, err)
	users, err := c.Users(ctx)
	must(t, err)
	if len(tokens) != 1 || len(users) != 1 {
		t.Errorf("tokens %+v, users %+v", tokens, users)
	}
	must(t, c.DeleteToken(ctx, token.ID))
	if err := c.DeleteUser(ctx, "nobody"); affiliate.CodeOf(err) != affiliate.NotFound {
		t.Errorf("an unknown user: %v", err)
	}
	status, err := c.Status(ctx)
	must(t, err)
	me, err := c.Me(ctx)
	must(t, err)
	if status.Version != "1.2.3" || me.Via != "socket" {
		t.Errorf("status %+v, me %+v", status, me)
	}
}

func TestTokenIsSent(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	_, err := client.New(client.Options{BaseURL: server.URL + "/", Token: "sluice_x"}).Status(t.Context())
	must(t, err)
	if got != "Bearer sluice_x" {
		t.Errorf("Authorization is %q", got)
	}
}

func TestWhatIsNoSluiceServer(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"another site", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) }, "is this the address of a Sluice server?"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "cannot be read"},
		{"a failure of the server's own", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(500)
			_ = json.NewEncoder(w).Encode(api.Problem{Status: 500, Title: "Internal Server Error", Code: "internal", Detail: "its log says what"})
		}, "500 Internal Server Error: its log says what"},
	} {
		server := httptest.NewServer(c.answer)
		_, err := client.New(client.Options{BaseURL: server.URL}).Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || affiliate.CodeOf(err) != "" {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		server.Close()
		if _, err = client.New(client.Options{BaseURL: server.URL}).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "is it running?") {
			t.Errorf("a server that is gone: %v", err)
		}
	}
}

func TestImportThatTheServerDoesNotFinish(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"progress":1}` + "\n"))
	}))
	defer server.Close()
	_, err := client.New(client.Options{BaseURL: server.URL}).ImportLinks(t.Context(), strings.NewReader("x"), client.ImportOptions{})
	if err == nil || !strings.Contains(err.Error(), "before the import was done") {
		t.Errorf("error %v", err)
	}
}

func TestDownloadThatIsCutShort(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("time,id\n"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	err := client.New(client.Options{BaseURL: server.URL}).ExportClicks(t.Context(), client.ClickFilter{}, "csv", &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("error %v", err)
	}
}
