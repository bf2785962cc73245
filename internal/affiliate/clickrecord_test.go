package affiliate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden records anew")

// fullClick has every field set, each to another value.
func fullClick() Click {
	c := Click{ID: NewClickID(1781524800123, 7, 0x00112233445566), Outcome: Redirected, Code: 302, Why: WhyRule | WhyShared | WhyPartner | WhyProgramClosed,
		Link: 1 << 40, Site: "main", Host: "blog.example", Slug: "größe/x", Program: "acme", Partner: "anna", Variant: "b", Rule: "de", Page: "/review",
		URL: "https://shop.example/p?sid=1#f", Visitor: NewVisitorID(0xbeef, 0x0123456789abcdef), IP: netip.MustParseAddr("2001:db8::7"),
		Agent: "Mozilla/5.0 (X11)", Referrer: "https://news.example/", Language: "de,en;q=0.5", Country: "DE", Query: "ref=anna&sub1=x",
		Signals: SignalSecure | SignalCut, Fetch: NewFetch("document", "navigate", "cross-site"), Verdict: VerdictSuspect, Reasons: ReasonNoBrowser}
	c.Subs[0], c.Subs[9] = "x", strings.Repeat("y", 200)
	return c
}

// Records of every version must stay readable for ever: add a file for a new
// version, never change one.
func TestGoldenRecord(t *testing.T) {
	full, empty := fullClick(), Click{}
	written := hex.EncodeToString(full.AppendRecord(nil)) + "\n" + hex.EncodeToString(empty.AppendRecord(nil)) + "\n"
	current := fmt.Sprintf("testdata/click-v%d.hex", clickVersion)
	if *update {
		if err := os.WriteFile(current, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for version := 1; version <= clickVersion; version++ {
		path := fmt.Sprintf("testdata/click-v%d.hex", version)
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if path == current && string(golden) != written {
			t.Errorf("the layout has changed without a new version:\n have %s\n want %s", written, golden)
		}
		for i, line := range strings.Fields(string(golden)) {
			record, err := hex.DecodeString(line)
			if err != nil {
				t.Fatal(err)
			}
			var c Click
			if err := c.DecodeRecord(record); err != nil {
				t.Fatal(err)
			}
			if want := []Click{full, empty}[i]; !reflect.DeepEqual(c, want) {
				t.Errorf("%s: record %d reads\n %+v; want\n %+v", path, i, c, want)
			}
		}
	}
}

// Records name phrases by their place: the file of a version never changes.
func TestPhrasesNeverChange(t *testing.T) {
	const want = "0d89e50d3eb5000cf606cd6fe9ec6529bd948d480f67b3400b323190166b4c90"
	if got := fmt.Sprintf("%x", sha256.Sum256(phrasesV2)); got != want {
		t.Errorf("phrases-v2.json has the sum %s, want %s: records in journals would read otherwise. Write a new table for a new version", got, want)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	piece := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9]{1,20}`), rapid.SampledFrom(agentPhrases.texts), rapid.SampledFrom(linkPhrases.texts),
		rapid.SampledFrom([]string{"://", "/", "?", "#", "\x00", "\xff", "06b9qg3nsw008w1d5e9k2m7x", "https://a.example/b?c"}))
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		c := Click{ID: NewClickID(rapid.Int64Range(1, 1<<47).Draw(t, "ms"), rapid.Uint16().Draw(t, "node"), rapid.Uint64().Draw(t, "random")),
			Outcome: Outcome(rapid.IntRange(0, len(outcomeNames)-1).Draw(t, "outcome")), Verdict: Verdict(rapid.IntRange(0, len(verdictNames)-1).Draw(t, "verdict")),
			Code: rapid.IntRange(0, 599).Draw(t, "code"), Why: Why(rapid.Uint32().Draw(t, "why")), Signals: Signals(rapid.Uint32().Draw(t, "signals")),
			Reasons: Reasons(rapid.Uint32().Draw(t, "reasons")), Fetch: Fetch(rapid.Uint16().Draw(t, "fetch")), Link: rapid.Int64Min(0).Draw(t, "link")}
		if rapid.Bool().Draw(t, "cookie") {
			c.Visitor = NewVisitorID(1, rapid.Uint64().Draw(t, "visitor"))
		}
		switch rapid.IntRange(0, 2).Draw(t, "family") {
		case 1:
			c.IP = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip")))
		case 2:
			c.IP = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip"))).Unmap()
		}
		for _, s := range c.texts() {
			*s = text.Draw(t, "text")
		}
		if rapid.Bool().Draw(t, "same host") {
			c.Host, _ = referrerHost(c.Referrer)
		}
		if rapid.Bool().Draw(t, "same page") {
			_, rest := referrerHost(c.Referrer)
			c.Page = referrerPage(rest)
		}
		for i := range c.Subs {
			c.Subs[i] = text.Draw(t, "sub")
		}
		if rapid.Bool().Draw(t, "own id") {
			c.URL += c.ID.String() + c.URL
		}
		prefix := []byte("before")
		record := c.AppendRecord(prefix)
		if !bytes.HasPrefix(record, prefix) {
			t.Fatal("AppendRecord touched what was there")
		}
		var got Click
		if err := got.DecodeRecord(record[len(prefix):]); err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%v\n have %+v\n want %+v", err, got, c)
		}
	})
}

func TestRecordThatIsCut(t *testing.T) {
	full := fullClick()
	record := full.AppendRecord(nil)
	var c Click
	for n := range record {
		if err := c.DecodeRecord(record[:n]); err == nil {
			t.Errorf("a record cut to %d of %d bytes is read as whole", n, len(record))
		}
	}
	if err := c.DecodeRecord(append(record, "what a later program adds"...)); err != nil || !reflect.DeepEqual(c, full) {
		t.Errorf("with fields of a later program behind it: %v", err)
	}
}

func TestRecordThatMakesNoSense(t *testing.T) {
	good := fullClick()
	at := func(i int, v byte) []byte {
		b := good.AppendRecord(nil)
		b[i] = v
		return b
	}
	cut := func(b []byte, more ...byte) []byte { return append(b[:len(b):len(b)], more...) }
	short := (&Click{Code: usualCode, Fetch: usualFetch, Agent: "a"}).AppendRecord(nil)
	text := short[:len(short)-2] // before the agent
	v1, err := os.ReadFile("testdata/click-v1.hex")
	if err != nil {
		t.Fatal(err)
	}
	old, err := hex.DecodeString(string(v1[:bytes.IndexByte(v1, '\n')]))
	if err != nil {
		t.Fatal(err)
	}
	ip := bytes.Index(old, []byte{16, 0x20, 0x01, 0x0d, 0xb8})
	old[ip] = 7
	for name, record := range map[string][]byte{"nothing": nil, "version 0": at(0, 0), "a newer version": at(0, clickVersion+1),
		"an unknown outcome": at(16, 0x1f), "an unknown verdict": at(16, 0xf1),
		"a text without end": text, "half an escape": cut(text, codeByte), "half a number": cut(text, codeNumber+3, 1, 2), "half a page": cut(text, codePage),
		"a phrase that is none": cut(text, codePage+5, 0xff, 0), "an id that is none": cut(text, codeID, 0),
		"version 1 with an address of 7 bytes": old} {
		var c Click
		if err := c.DecodeRecord(record); err == nil {
			t.Errorf("%s is accepted: %+v", name, c)
		}
	}
	var c Click
	if err := c.DecodeRecord(cut(text, codeNumber+1, 7, codeByte, 'a', 'b', codeEnd)); err != nil || c.Agent != "7ab" {
		t.Errorf("a text in an unusual spelling is %q: %v", c.Agent, err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	full := fullClick()
	f.Add(full.AppendRecord(nil))
	f.Add((&Click{}).AppendRecord(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Click
		if c.DecodeRecord(b) != nil {
			return
		}
		_, _, _, _ = c.Outcome.String(), c.Verdict.String(), c.Why.Strings(), c.Fetch.Dest()
		var again Click
		if err := again.DecodeRecord(c.AppendRecord(nil)); err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("written again it reads otherwise: %v\n %+v\n %+v", err, again, c)
		}
	})
}

// Whatever stands in a click comes back byte for byte.
func FuzzRecord(f *testing.F) {
	full := fullClick()
	f.Add(full.Agent, full.Referrer, full.Language, full.URL, full.Host, full.Page)
	for _, w := range typicalClicks() {
		f.Add(w.Agent, w.Referrer, w.Language, w.URL, w.Host, w.Page)
	}
	f.Add("\x00\x01\x02\x03\x0a\x10\x7f\x80\xff", "a://b?c#d", "", "06b9qg3nsw008w1d5e9k2m7x", "b", "/")
	f.Add("007 18446744073709551616 65536 255 256", "://", "://", "#?", "", "")
	w := NewRecordWriter()
	f.Fuzz(func(t *testing.T, agent, referrer, language, url, host, page string) {
		c := Click{ID: NewClickID(1781524800123, 1, 2), Code: 302, Agent: agent, Referrer: referrer, Language: language, URL: url, Host: host, Page: page}
		c.Subs[3] = agent
		var got Click
		if err := got.DecodeRecord(c.AppendRecord(nil)); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%v\n have %+v\n want %+v", err, got, c)
		}
		for range 3 {
			if err := got.DecodeRecord(w.AppendRecord(nil, &c, nil)); err != nil || !reflect.DeepEqual(got, c) {
				t.Errorf("by a writer: %v\n have %+v\n want %+v", err, got, c)
			}
		}
		packed := append(PackLink(nil, url), "rest"...)
		have, codes, rest, ok := UnpackLink([]byte("in front of "), packed)
		if !ok || string(have) != "in front of "+url || string(rest) != "rest" {
			t.Errorf("%q packed is %x, and then %q, %q", url, packed, have, rest)
		}
		if err := got.DecodeRecord(w.AppendRecord(nil, &c, codes)); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("by a writer, with a packed URL: %v\n have %+v\n want %+v", err, got, c)
		}
	})
}

func TestAppendRecordAllocatesNothing(t *testing.T) {
	c, b, w := fullClick(), make([]byte, 0, 4096), NewRecordWriter()
	if n := testing.AllocsPerRun(100, func() { b = c.AppendRecord(b[:0]); b = w.AppendRecord(b[:0], &c, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a writer has seen twice it keeps, however many strangers pass once.
func TestRecordWriterRemembers(t *testing.T) {
	w := NewRecordWriter()
	c := typicalClicks()[0]
	w.AppendRecord(nil, &c, nil)
	w.AppendRecord(nil, &c, nil)
	for n := range 100 * packedSets {
		w.AppendRecord(nil, &Click{Agent: fmt.Sprintf("stranger %d", n)}, nil)
	}
	kept := map[string]bool{}
	for i := range w.sets {
		for k := range w.sets[i].ways {
			way := &w.sets[i].ways[k]
			kept[string(way.text[:way.bytes])] = true
		}
	}
	for _, s := range []string{c.Agent, c.Referrer, c.Language, c.Host, c.Page} {
		if !kept[s] {
			t.Errorf("%q is not remembered", s)
		}
	}
	if len(kept) != 6 { // and the empty place
		t.Errorf("%d texts are remembered", len(kept))
	}
}

// A host or page that is nearly the referrer's is not taken for it.
func TestHostAndPageBesideTheReferrer(t *testing.T) {
	for _, referrer := range []string{"", "https://a.example", "https://a.example/", "https://a.example/b/c", "https://a.example/b?c#d", "https://a.example?b/c", "https://a.example#/b?c",
		"//a.example/b", "/b://a.example/b", "a.example/b", "?://a.example/b", "https://x@a.example:1/b", "://a.example/b"} {
		for _, host := range []string{"", "a.example", "example", "x@a.example:1", "https", "A.example", "//a.example"} {
			for _, page := range []string{"", "/", "/b", "/b/", "/b/c", "/b?c", "/bc", "?c", "b"} {
				c := Click{Code: usualCode, Referrer: referrer, Host: host, Page: page}
				var got Click
				if err := got.DecodeRecord(c.AppendRecord(nil)); err != nil || got != c {
					t.Errorf("%v\n have %+v\n want %+v", err, got, c)
				}
			}
		}
	}
	with, without := Click{Referrer: "https://a.example/b?c", Host: "a.example", Page: "/b"}, Click{Referrer: "https://a.example/b?c"}
	if a, b := len(with.AppendRecord(nil)), len(without.AppendRecord(nil)); a != b {
		t.Errorf("the referrer's host and page take %d bytes", a-b)
	}
}

// Numbers at the borders of what bytes and digits hold.
func TestNumbersInTexts(t *testing.T) {
	for n := uint64(1); n < 1<<62; n *= 2 {
		for k := uint64(1); k < 1<<62; k *= 10 {
			for _, v := range []uint64{n - 1, n, n + 1, k - 1, k, k + 1, n + k} {
				c := Click{Code: usualCode, Slug: fmt.Sprint(v), Query: fmt.Sprintf("a=%d&b=0%d", v, v)}
				var got Click
				if err := got.DecodeRecord(c.AppendRecord(nil)); err != nil || got != c {
					t.Fatalf("%d: %v %+v", v, err, got)
				}
			}
		}
	}
}

// A writer's memory changes nothing: whatever it has seen before, and though a text
// that it keeps may hold the id of another click.
func TestRecordWriterAgrees(t *testing.T) {
	w := NewRecordWriter()
	check := func(c Click) {
		t.Helper()
		var got Click
		if err := got.DecodeRecord(w.AppendRecord(nil, &c, nil)); err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%v\n have %+v\n want %+v", err, got, c)
		}
	}
	clicks := typicalClicks()
	for n := range 4 {
		for _, c := range clicks {
			check(c)
		}
		own := clicks[6*n] // of another id, but in the first round
		own.Referrer, own.Agent, own.Language = "https://a.example/"+clicks[0].ID.String(), clicks[0].Language+clicks[0].ID.String(), clicks[0].Agent
		check(own)
		own = clicks[0]
		own.Referrer, own.Agent, own.Language = "https://a.example/"+clicks[0].ID.String(), clicks[0].Language+clicks[0].ID.String(), clicks[0].Agent
		check(own)
	}
	for n := range 20_000 { // more than it keeps, each twice in a row, and one that is often there
		c := Click{ID: clicks[0].ID, Code: usualCode, Agent: fmt.Sprintf("agent number %d", n%7_000), Referrer: fmt.Sprint("agent number ", n/2), Host: clicks[0].Host}
		check(c)
		check(c)
	}
}
