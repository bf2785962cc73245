package affiliate

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

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

func TestParseClickIDOfNginx(t *testing.T) {
	for text, want := range map[string]ClickID{
		"z7815248001230f1e2d3c4b5": NewClickID(1781524800123, 0xffff, 0x0f1e2d3c4b5),
		"Z7815248001230F1E2D3C4B5": NewClickID(1781524800123, 0xffff, 0x0f1e2d3c4b5),
		"z00000000000000000000000": NewClickID(1_000_000_000_000, 0xffff, 0),
		"z999999999999fffffffffff": NewClickID(1_999_999_999_999, 0xffff, 1<<44-1),
		"y000000000001abcdefabcde": NewClickID(2_000_000_000_001, 0xffff, 0xabcdefabcde),
		"Y000000000001abcdefabcde": NewClickID(2_000_000_000_001, 0xffff, 0xabcdefabcde),
	} {
		got, err := ParseClickID(text)
		if err != nil || got != want {
			t.Errorf("%s is read as %s, want %s: %v", text, got, want, err)
		}
		if again, err := ParseClickID(got.String()); err != nil || again != got {
			t.Errorf("%s is not read as itself, but as %s: %v", got, again, err)
		}
		var id ClickID
		if err := id.UnmarshalText([]byte(text)); err != nil || id != want {
			t.Errorf("%s is unmarshalled as %s: %v", text, id, err)
		}
	}
	for _, bad := range []string{"z7815248001230f1e2d3c4b", "z7815248001230f1e2d3c4b50", "z781524800123-f1e2d3c4b5", "z78152480012i0f1e2d3c4b5"} {
		if id, err := ParseClickID(bad); err == nil {
			t.Errorf("%q is read as %s", bad, id)
		}
	}
	// What only looks like it is base 32 of the year 8949.
	if id, err := ParseClickID("z7815248001230f1e2d3c4bg"); err != nil || id.Time().Year() < 8000 {
		t.Errorf("read as %s of %s: %v", id, id.Time(), err)
	}
}

// Every character, at every place, comes back through the bytes.
func TestIDsThroughTheirBytes(t *testing.T) {
	for i := range 24 {
		for _, c := range []byte(base32) {
			id := NewClickID(1, 1, 1)
			id[i] = c
			raw := id.raw()
			var again ClickID
			if encodeID(again[:], string(raw[:])); again != id {
				t.Errorf("%s comes back as %s", id, again)
			}
			if i < 16 {
				visitor := NewVisitorID(1, 1)
				visitor[i] = c
				raw := visitor.raw()
				var again VisitorID
				if encodeID(again[:], string(raw[:])); again != visitor {
					t.Errorf("%s comes back as %s", visitor, again)
				}
			}
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
