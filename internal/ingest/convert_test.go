package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/redirect"
)

// TestSameRecordAsTheRedirect has Sluice answer a visit and then takes the same visit in as if
// somebody else had: but for the signal, the records are the same.
func TestSameRecordAsTheRedirect(t *testing.T) {
	r := newRig(t, nil)
	var own [][]byte
	answers := redirect.New(redirect.Options{Table: r.options.Table, Keys: affiliate.Keyring{{Number: 1, Secret: bytes.Repeat([]byte{7}, 32)}}, Node: 3,
		Now: func() time.Time { return noon }})
	r.options.Anonymous = answers.Anonymous
	r.intake = New(r.options)
	a := answers.NewAnswer(func(records [][]byte) (int, error) {
		for _, record := range records {
			own = append(own, bytes.Clone(record))
		}
		return len(records), nil
	})
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	long := strings.Repeat("ü", 3000)
	var log []byte
	for range 2000 {
		q := redirect.Request{Time: noon, Peer: netip.MustParseAddr(pick("198.51.100.7", "2001:db8::1")), TLS: random.IntN(2) == 0, Head: random.IntN(5) == 0, OldHTTP: random.IntN(5) == 0,
			Host: pick("blog.example", "Blog.Example:443", "other.example."), Path: pick("/go/the-thing-17", "/go/The%2dThing-17/", "/go/nothing", "/go/paused", "/", "/go/other"),
			Query: pick("", "sub1=a&sub2=b%20c&sub11=x&sub3=", "sub1="+long, long, "utm=1&url=https://x.example/"),
			Header: redirect.Header{
				UserAgent: pick("", "curl/8.5", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", long),
				Referrer:  pick("", "https://blog.example/reviews/a?b#c", "https://blog.example", "https://else.example/page", "https://blog.example/"+long), Language: pick("", "de", long),
				Accept: pick("", "text/html"), DoNotTrack: pick("", "1", "0"), PrivacyGlobal: pick("", "1"), SecPurpose: pick("", "prefetch", "prefetch;prerender"), Purpose: pick("", "prefetch"),
				XPurpose: pick("", "preview"), XMoz: pick("", "prefetch"), FetchDest: pick("", "document", "iframe", "odd"), FetchMode: pick("", "navigate"), FetchSite: pick("", "none"),
				FetchUser: pick("", "?1"), Hints: pick("", `"Chromium";v="141"`), HintMobile: pick("", "?1", "?0"), Cookie: pick("", "sluice=wrong"),
			}}
		answers.Answer(&q, a)
		answers.Keep(a)
		var c affiliate.Click
		must(t, c.DecodeRecord(own[len(own)-1]))
		in := Click{ID: c.ID.String(), Host: q.Host, Path: q.Path, Query: q.Query, Method: map[bool]string{true: "HEAD", false: "GET"}[q.Head],
			Proto: map[bool]string{true: "HTTP/1.0", false: "HTTP/1.1"}[q.OldHTTP], Scheme: map[bool]string{true: "https", false: "http"}[q.TLS],
			Outcome: c.Outcome.String(), Code: c.Code, Why: strings.Join(c.Why.Strings(), ","), URL: string(a.Location), Link: c.Link, Site: c.Site, Slug: c.Slug, Program: c.Program,
			Partner: c.Partner, Variant: c.Variant, Rule: c.Rule, Page: c.Page, Visitor: c.Visitor.String(), IP: q.Peer.String(),
			Returning: c.Signals&affiliate.SignalReturning != 0, CookieRefused: c.Signals&affiliate.SignalCookieRefused != 0,
			Agent: q.Header.UserAgent, Referrer: q.Header.Referrer, Language: q.Header.Language, Accept: q.Header.Accept, DNT: q.Header.DoNotTrack, GPC: q.Header.PrivacyGlobal,
			SecPurpose: q.Header.SecPurpose, Purpose: q.Header.Purpose, XPurpose: q.Header.XPurpose, XMoz: q.Header.XMoz, FetchDest: q.Header.FetchDest, FetchMode: q.Header.FetchMode,
			FetchSite: q.Header.FetchSite, FetchUser: q.Header.FetchUser, Hints: q.Header.Hints, HintMobile: q.Header.HintMobile}
		if c.Signals&(affiliate.SignalPrivacyGlobal|affiliate.SignalDoNotTrack) != 0 && len(q.Header.UserAgent) < 500 && q.Host == affiliate.CanonicalHost(q.Host) {
			in.Visitor = "" // who is not followed has the same name for the day, whoever answered
		}
		if c.Outcome != affiliate.Redirected {
			in.URL = ""
		}
		line, err := json.Marshal(in)
		must(t, err)
		log = append(append(log, line...), '\n')
	}
	for len(log) > 0 {
		end := bytes.LastIndexByte(log[:min(len(log), LogBytesMax)], '\n') + 1
		receipt, err := r.intake.TakeLog(context.Background(), JSONLines, "", log[:end])
		must(t, err)
		if receipt.Refused > 0 {
			t.Fatalf("refused: %+v", receipt.Refusals[0])
		}
		log = log[end:]
	}
	stored := r.stored()
	if len(stored) != len(own) {
		t.Fatalf("%d clicks, want %d", len(stored), len(own))
	}
	for i := range own {
		var want affiliate.Click
		must(t, want.DecodeRecord(own[i]))
		want.Signals |= affiliate.SignalElsewhere
		if diff := cmp.Diff(want, stored[i], cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Fatalf("visit %d: by the redirect (-), taken in (+):\n%s", i, diff)
		}
	}
}

// one takes one line in and returns what is stored.
func (r *rig) one(line string) affiliate.Click {
	r.t.Helper()
	before := len(r.stored())
	receipt, err := r.intake.TakeLog(context.Background(), JSONLines, "", []byte(line))
	must(r.t, err)
	all := r.stored()
	if receipt.Taken != 1 || len(all) != before+1 {
		r.t.Fatalf("%s: %+v", line, receipt)
	}
	return all[before]
}

// nginx resolves nothing: Sluice does, and believes what the line says of the answer.
func TestClicksWithoutOutcome(t *testing.T) {
	ms := noon.Add(-time.Hour).UnixMilli()
	id := "z" + fmtDigits(ms) + "0123456789a"
	canonical := affiliate.NewClickID(ms, 0xffff, 0x0123456789a)
	head := `{"id":"` + id + `","host":"blog.example","accept":"*/*","agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"`
	url := func(id string) string {
		return "https://www.awin1.com/cread.php?awinmid=1234&awinaffid=98765&clickref=" + id + "&ued=https%3A%2F%2Fshop.example%2Fthings%2F17"
	}
	for _, c := range []struct {
		name, more string
		outcome    affiliate.Outcome
		code       int
		link       int64
		slug, url  string
	}{
		{"as the table has it", `,"path":"/go/the-thing-17"`, affiliate.Redirected, 302, 1, "the-thing-17", url(canonical.String())},
		{"nginx's id in the URL", `,"path":"/go/the-thing-17","code":"302","url":"` + url(id) + `"`, affiliate.Redirected, 302, 1, "the-thing-17", url(canonical.String())},
		{"sent elsewhere then", `,"path":"/go/the-thing-17","code":"301","url":"https://old.example/"`, affiliate.Redirected, 301, 1, "the-thing-17", "https://old.example/"},
		{"paused since", `,"path":"/go/paused","code":"302","url":"https://shop.example/"`, affiliate.Redirected, 302, 2, "paused", "https://shop.example/"},
		{"paused then", `,"path":"/go/paused","code":"404"`, affiliate.Missing, 404, 0, "paused", ""},
		{"added since", `,"path":"/go/the-thing-17","code":"404"`, affiliate.Missing, 404, 0, "the-thing-17", ""},
		{"unknown", `,"path":"/go/nothing","code":"404"`, affiliate.Missing, 404, 0, "nothing", ""},
		{"sent names", `,"path":"/go/nothing","code":302,"link":"1","slug":"the-thing-17","url":"https://x.example/"`, affiliate.Missing, 302, 1, "the-thing-17", "https://x.example/"},
	} {
		r := newRig(t, nil)
		got := r.one(head + c.more + "}")
		if got.ID != canonical || got.Outcome != c.outcome || got.Code != c.code || got.Link != c.link || got.Slug != c.slug || got.URL != c.url || got.Site != "blog" || got.Visitor.IsZero() {
			t.Errorf("%s: %s %s %d #%d %q %q of %q", c.name, got.ID, got.Outcome, got.Code, got.Link, got.Slug, got.URL, got.Site)
		}
	}
}

func fmtDigits(ms int64) string {
	text := []byte{}
	for ; ms > 9; ms /= 10 {
		text = append([]byte{byte('0' + ms%10)}, text...)
	}
	return string(text)
}

func TestCountries(t *testing.T) {
	for in, want := range map[string]string{"DE": "DE", "de": "DE", "XX": "", "T1": "", "": "", "DEU": "", "ÄÖ": ""} {
		if got := country(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestLogs(t *testing.T) {
	r := newRig(t, nil)
	good := click(1, "")
	log := good + "\r\n\n" + `{"id":"x"}` + "\n  \n" + "hello\n" + good + " {}\n" + strings.Repeat("x", lineBytesMax+1) + "\n" +
		`{"id":"` + id(noon.AddDate(-40, 0, 0)) + `","host":"blog.example"}` + "\n" + `{"id":"` + id(noon.AddDate(-9, 0, 0)) + `","host":"blog.example","path":"/go/thing"}` + "\n" + strings.Replace(click(2, ""), `"host":"blog.example",`, "", 1)
	receipt, err := r.intake.TakeLog(t.Context(), JSONLines, "blog.example", []byte(log))
	must(t, err)
	why := map[int]string{3: "id: ", 5: "at byte 0: a click is an object", 6: "nothing may follow", 7: "too long", 8: "nobody had such links"}
	if receipt.Taken != 3 || receipt.Refused != len(why) || len(r.stored()) != 3 {
		t.Errorf("%+v, %d stored", receipt, len(r.stored()))
	}
	for _, one := range receipt.Refusals {
		if want := why[one.Line]; want == "" || !strings.Contains(one.Why, want) {
			t.Errorf("line %d: %s, want %q", one.Line, one.Why, want)
		}
	}
	receipt, err = r.intake.TakeLog(t.Context(), JSONLines, "", bytes.Repeat([]byte("x\n"), 5000))
	if err != nil || receipt.Refused != 5000 || len(receipt.Refusals) != refusalsMax {
		t.Errorf("5000 bad lines: %d refused, %d told: %v", receipt.Refused, len(receipt.Refusals), err)
	}
	if _, err = r.intake.TakeLog(t.Context(), "w3c", "", nil); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Errorf("an unknown format: %v", err)
	}
	if _, err = r.intake.TakeLog(t.Context(), JSONLines, "", make([]byte, LogBytesMax+1)); affiliate.CodeOf(err) != affiliate.TooLarge {
		t.Errorf("too much: %v", err)
	}
}

// A whole server's log says nothing of most headers, and most of its lines are no clicks.
func TestBareLines(t *testing.T) {
	r := newRig(t, nil)
	v := newConverter(&r.options)
	v.begin("")
	v.bare = true
	v.in = Click{ID: id(noon), Host: "blog.example", Path: "/go/the-thing-17", Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
	if err := v.convert(); err != nil || v.click.Verdict != affiliate.VerdictOK || v.click.Link != 1 {
		t.Errorf("%s of link %d: %v", v.click.Verdict, v.click.Link, err)
	}
	v.in.Path = "/style.css"
	if err := v.convert(); !errors.Is(err, ErrNotLink) || len(v.ends) != 1 {
		t.Errorf("a style sheet: %v", err)
	}
}
