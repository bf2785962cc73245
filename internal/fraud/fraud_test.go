package fraud

import (
	"slices"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func TestJudge(t *testing.T) {
	const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	followed := affiliate.NewFetch("document", "navigate", "cross-site")
	cases := []struct {
		name    string
		e       Evidence
		verdict affiliate.Verdict
		reasons []string
	}{
		{"a person", Evidence{Agent: browser, Device: affiliate.Desktop, Fetch: followed}, affiliate.VerdictOK, nil},
		{"an old browser without fetch metadata", Evidence{Agent: browser, Device: affiliate.Desktop}, affiliate.VerdictOK, nil},
		{"a crawler", Evidence{Agent: "Googlebot", Device: affiliate.Bot}, affiliate.VerdictBot, []string{"declared_bot"}},
		{"a crawler in a frame", Evidence{Agent: "Googlebot", Device: affiliate.Bot, Fetch: affiliate.NewFetch("iframe", "navigate", "none")},
			affiliate.VerdictBot, []string{"declared_bot", "not_navigation"}},
		{"curl", Evidence{Agent: "curl/8.5", Device: affiliate.Bot, Tool: true}, affiliate.VerdictSuspect, []string{"tool"}},
		{"nobody", Evidence{}, affiliate.VerdictSuspect, []string{"no_user_agent"}},
		{"an image", Evidence{Agent: browser, Device: affiliate.Desktop, Fetch: affiliate.NewFetch("image", "no-cors", "cross-site")},
			affiliate.VerdictSuspect, []string{"not_navigation"}},
		{"HTTP/1.0", Evidence{Agent: browser, Device: affiliate.Desktop, Signals: affiliate.SignalOldHTTP}, affiliate.VerdictSuspect, []string{"no_browser"}},
		{"no Accept", Evidence{Agent: browser, Device: affiliate.Desktop, Signals: affiliate.SignalNoAccept}, affiliate.VerdictSuspect, []string{"no_browser"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			verdict, reasons := Judge(&c.e)
			if verdict != c.verdict || !slices.Equal(reasons.Strings(), c.reasons) && len(c.reasons) > 0 || len(c.reasons) == 0 && reasons != 0 {
				t.Errorf("got %s because of %v, want %s because of %v", verdict, reasons.Strings(), c.verdict, c.reasons)
			}
		})
	}
}

func TestOnlyBotsAreAnsweredDifferently(t *testing.T) {
	for v, want := range map[affiliate.Verdict]affiliate.Action{
		affiliate.VerdictOK: affiliate.Pass, affiliate.VerdictSuspect: affiliate.Pass,
		affiliate.VerdictBot: affiliate.Decoy, affiliate.VerdictFraud: affiliate.Pass,
	} {
		if got := ActionFor(v); got != want {
			t.Errorf("%s: %s, want %s", v, got, want)
		}
	}
}
