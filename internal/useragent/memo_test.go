package useragent

import (
	"fmt"
	"strings"
	"testing"
)

// A memo answers as Classify does: at first sight, when it keeps the agent, and from
// memory.
func TestMemoAgrees(t *testing.T) {
	m := NewMemo()
	for round := range 4 {
		for _, c := range deviceCases(t) {
			for _, hint := range []string{c.Mobile, "?1", "?0", ""} {
				class, tool := Classify(c.UA, hint)
				if gotClass, gotTool := m.Classify(c.UA, hint); gotClass != class || gotTool != tool {
					t.Errorf("round %d: %q with %q is %v %v, want %v %v", round, c.UA, hint, gotClass, gotTool, class, tool)
				}
			}
		}
	}
}

// Agents that share a set, a hash's low bits or their length do not answer for
// each other.
func TestMemoKeepsAgentsApart(t *testing.T) {
	m := NewMemo()
	kinds := []string{"Googlebot/%d", "curl/8.%d", "Mozilla/5.0 (iPhone; %d)", "Mozilla/5.0 (X11; Linux %d)", "%d", strings.Repeat("x", 300) + "bot%d"}
	for range 3 {
		for n := range 4 * memoSets * memoWays {
			ua := fmt.Sprintf(kinds[n%len(kinds)], n)
			class, tool := Classify(ua, "")
			for range 3 {
				if gotClass, gotTool := m.Classify(ua, ""); gotClass != class || gotTool != tool {
					t.Fatalf("%q is %v %v, want %v %v", ua, gotClass, gotTool, class, tool)
				}
			}
		}
	}
}

// One agent that comes again and again stays, however many strangers pass once.
func TestStrangersPushOutNobody(t *testing.T) {
	m := NewMemo()
	const regular = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0"
	m.Classify(regular, "")
	m.Classify(regular, "")
	for n := range 100 * memoSets {
		m.Classify(fmt.Sprintf("stranger %d", n), "")
	}
	for i := range m.sets {
		for k := range m.sets[i].ways {
			if w := &m.sets[i].ways[k]; string(w.text[:w.bytes]) == regular {
				return
			}
		}
	}
	t.Error("strangers who came once have pushed out a regular")
}

func TestMemoAllocatesNothing(t *testing.T) {
	m, cases, i := NewMemo(), deviceCases(t), 0
	if n := testing.AllocsPerRun(4*len(cases), func() { m.Classify(cases[i%len(cases)].UA, ""); i++ }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzMemo(f *testing.F) {
	for _, c := range deviceCases(f) {
		f.Add(c.UA, c.Mobile)
	}
	m := NewMemo()
	f.Fuzz(func(t *testing.T, ua, hint string) {
		class, tool := Classify(ua, hint)
		for range 3 {
			if gotClass, gotTool := m.Classify(ua, hint); gotClass != class || gotTool != tool {
				t.Errorf("%q with %q is %v %v, want %v %v", ua, hint, gotClass, gotTool, class, tool)
			}
		}
	})
}

// Classify with and without a memo: for an agent that comes again, and for a million
// that do not.
func BenchmarkClassify(b *testing.B) {
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	strangers := make([]string, 1<<16)
	for i := range strangers {
		strangers[i] = fmt.Sprintf("%s Stranger/%x", chrome, i*2654435761)
	}
	for name, agents := range map[string][]string{"regular": {chrome}, "strangers": strangers} {
		m := NewMemo()
		for how, classify := range map[string]func(ua, hint string) (Device, bool){"plain": Classify, "memo": m.Classify} {
			b.Run(name+"/"+how, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					classify(agents[i%len(agents)], "?0")
				}
			})
		}
	}
}
