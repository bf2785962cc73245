package postback

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func docs(t *testing.T) string {
	text, err := os.ReadFile("../../docs/postbacks.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDocsListEveryReason(t *testing.T) {
	source, err := os.ReadFile("reason.go")
	if err != nil {
		t.Fatal(err)
	}
	reasons := regexp.MustCompile(`Reason = "([a-z_]+)"`).FindAllSubmatch(source, -1)
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([0-9]{3}) \\|").FindAllStringSubmatch(docs(t), -1)
	if len(rows) != len(reasons) {
		t.Errorf("the page has %d reasons, the code %d", len(rows), len(reasons))
	}
	listed := map[Reason]string{}
	for _, row := range rows {
		listed[Reason(row[1])] = row[2]
	}
	for _, reason := range reasons {
		r := Reason(reason[1])
		if listed[r] != strconv.Itoa(r.Status()) {
			t.Errorf("%s is %d in the code and %q in docs/postbacks.md", r, r.Status(), listed[r])
		}
	}
}

func TestDocsListEveryWord(t *testing.T) {
	text := docs(t)
	for alias := range nameOf {
		if !strings.Contains(text, "`"+alias+"`") && !strings.HasPrefix(alias, "sub") {
			t.Errorf("docs/postbacks.md does not name the parameter %s", alias)
		}
	}
	listed := map[string]affiliate.ReportStatus{}
	for _, row := range regexp.MustCompile("(?m)^\\| (pending|approved|paid|reversed) \\| `([^`]+)`").FindAllStringSubmatch(text, -1) {
		for _, word := range strings.Fields(row[2]) {
			plain, _ := plainWord(word)
			listed[plain] = affiliate.ReportStatus(row[1])
		}
	}
	if diff := cmp.Diff(statusWords, listed); diff != "" {
		t.Errorf("the words for statuses in the code (-) and in docs/postbacks.md (+): %s", diff)
	}
	for word := range reasonWords {
		if affiliate.Reason(word) == reasonWords[word] && !strings.Contains(text, "`"+word+"`") {
			t.Errorf("docs/postbacks.md does not name the reason %s", word)
		}
	}
}

// The worked example is what people copy.
func TestDocsSignatureExample(t *testing.T) {
	text := docs(t)
	line := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + name + ` +(\S+)$`).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("the example has no %s", name)
		}
		return found[1]
	}
	canonical, err := Canonical(line("query"))
	if err != nil || canonical != line("canonical") {
		t.Errorf("canonical is %s (%v)", canonical, err)
	}
	if sig := Sign([]byte(line("secret")), canonical); sig != line("sig") {
		t.Errorf("sig is %s", sig)
	}
	var p parameters
	if r := p.addQuery(line("query") + "&sig=" + line("sig")); r != nil {
		t.Fatal(r)
	}
	if ok, r := p.verify(Inbox{Secret: []byte(line("secret"))}, time.Unix(1795780800, 0)); !ok {
		t.Error(r)
	}
}

func TestDocsCSVExample(t *testing.T) {
	text := docs(t)
	_, file, _ := strings.Cut(text, "```\ntxid,")
	file, _, ok := strings.Cut(file, "```")
	inbox := csvInbox
	for row, err := range ReadCSV(strings.NewReader("txid,"+file), inbox, noon.AddDate(0, 0, 7)) {
		if err != nil {
			t.Errorf("line %d: %v", row.Line, err)
		}
	}
	if !ok {
		t.Error("there is no example")
	}
}
