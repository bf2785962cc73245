package affiliate

import (
	"bytes"
	"encoding/hex"
	"flag"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

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
	const path = "testdata/click-v1.hex"
	full, empty := fullClick(), Click{}
	want := hex.EncodeToString(full.AppendRecord(nil)) + "\n" + hex.EncodeToString(empty.AppendRecord(nil)) + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != want {
		t.Errorf("the layout has changed without a new version:\n have %s\n want %s", want, golden)
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
			t.Errorf("record %d reads\n %+v; want\n %+v", i, c, want)
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	text := rapid.StringN(0, 40, -1)
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
		for _, s := range c.strings() {
			*s = text.Draw(t, "text")
		}
		for i := range c.Subs {
			c.Subs[i] = text.Draw(t, "sub")
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
	ip := bytes.Index(good.AppendRecord(nil), []byte{16, 0x20, 0x01, 0x0d, 0xb8})
	for name, record := range map[string][]byte{"nothing": nil, "version 0": at(0, 0), "a newer version": at(0, clickVersion+1),
		"an unknown outcome": at(26, 99), "an unknown verdict": at(27, 99), "an address of 7 bytes": at(ip, 7)} {
		var c Click
		if err := c.DecodeRecord(record); err == nil {
			t.Errorf("%s is accepted", name)
		}
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
		if err := again.DecodeRecord(c.AppendRecord(nil)); err != nil || again.URL != c.URL || again.Subs != c.Subs {
			t.Errorf("written again it reads otherwise: %v", err)
		}
	})
}

func TestAppendRecordAllocatesNothing(t *testing.T) {
	c, b := fullClick(), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { b = c.AppendRecord(b[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWhatCountsAsAClick(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Click)
		counts bool
	}{
		"a plain click":   {func(*Click) {}, true},
		"suspect":         {func(c *Click) { c.Verdict = VerdictSuspect }, true},
		"a fallback":      {func(c *Click) { c.Outcome = FellBack }, true},
		"the default":     {func(c *Click) { c.Outcome = Defaulted }, true},
		"a bot":           {func(c *Click) { c.Verdict = VerdictBot }, false},
		"fraud":           {func(c *Click) { c.Verdict = VerdictFraud }, false},
		"HEAD":            {func(c *Click) { c.Signals = SignalHead | SignalSecure }, false},
		"a prefetch":      {func(c *Click) { c.Signals = SignalPrefetch }, false},
		"blocked":         {func(c *Click) { c.Outcome = Blocked }, false},
		"a 404":           {func(c *Click) { c.Outcome = Missing }, false},
		"an unknown name": {func(c *Click) { c.Outcome, c.Link = Defaulted, 0 }, false},
		"do not track":    {func(c *Click) { c.Signals = SignalDoNotTrack }, true},
	} {
		click := Click{Link: 1, Outcome: Redirected}
		if c.change(&click); click.Counts() != c.counts {
			t.Errorf("%s counts: %v", name, !c.counts)
		}
	}
}

func TestClickIDsSortByTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := func(ms int64) ClickID {
			return NewClickID(ms, rapid.Uint16().Draw(t, "node"), rapid.Uint64().Draw(t, "random"))
		}
		ms := rapid.Int64Range(0, 1<<48-2).Draw(t, "ms")
		early, late := id(ms), id(ms+rapid.Int64Range(1, 1<<48-1-ms).Draw(t, "later"))
		if early.String() >= late.String() {
			t.Fatalf("%s is not before %s", early, late)
		}
		if early.Time().UnixMilli() != ms {
			t.Fatalf("%s is of %v; want millisecond %d", early, early.Time(), ms)
		}
	})
}

func TestParseClickID(t *testing.T) {
	id := NewClickID(1781524800123, 513, 1<<56-1)
	if id.Node() != 513 || !id.Time().Equal(time.UnixMilli(1781524800123)) {
		t.Errorf("%s has node %d and time %v", id, id.Node(), id.Time())
	}
	for _, s := range []string{id.String(), strings.ToUpper(id.String())} {
		if got, err := ParseClickID(s); err != nil || got != id {
			t.Errorf("%s is read as %s: %v", s, got, err)
		}
	}
	for _, bad := range []string{"", id.String()[1:], id.String() + "0", strings.Repeat("u", 24), strings.Repeat("i", 24), strings.Repeat("-", 24), "{click_id}", strings.Repeat("ü", 12)} {
		if _, err := ParseClickID(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestNoIDIsNoText(t *testing.T) {
	if s := (ClickID{}).String() + (VisitorID{}).String(); s != "" {
		t.Errorf("no id reads %q", s)
	}
	text, err := ClickID{}.MarshalText()
	if err != nil || len(text) != 0 {
		t.Errorf("no id is written %q: %v", text, err)
	}
	id := NewClickID(1, 1, 1)
	if err := id.UnmarshalText(nil); err != nil || !id.IsZero() {
		t.Errorf("an empty text is read as %s: %v", id, err)
	}
}

func TestFetch(t *testing.T) {
	f := NewFetch("document", "navigate", "cross-site")
	if f.Dest() != "document" || f.Mode() != "navigate" || f.Site() != "cross-site" {
		t.Errorf("read back: %s %s %s", f.Dest(), f.Mode(), f.Site())
	}
	if f := NewFetch("", "", ""); f != 0 || f.Dest() != "" {
		t.Errorf("nothing sent is %d", f)
	}
	if f := NewFetch("report", "x", "y"); f.Dest() != "other" || f.Mode() != "other" || f.Site() != "other" {
		t.Errorf("unknown values are %s %s %s", f.Dest(), f.Mode(), f.Site())
	}
}
