package nginx

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// row is what nginx makes of one file of vectors.
type row struct {
	name  string
	cases int
	got   tally
}

func (r row) cell() string {
	if r.got.listed == 0 {
		return fmt.Sprintf("%d alike", r.got.alike)
	}
	var reasons []string
	for _, what := range slices.Sorted(maps.Keys(r.got.reasons)) {
		reasons = append(reasons, fmt.Sprintf("%d `%s`", r.got.reasons[what], what))
	}
	return fmt.Sprintf("%d alike, %d listed: %s", r.got.alike, r.got.listed, strings.Join(reasons, ", "))
}

const (
	tablePath   = "../../../docs/targets.md"
	tableColumn = "nginx"
	tableHead   = "| vectors | cases |"
)

// checkTable wants the column of nginx in docs/targets.md to be what has been found; -update writes it. The columns of other
// targets stay as they are.
func checkTable(t *testing.T, rows []row) {
	t.Helper()
	b, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	before, table, after := cutTable(t, string(b))
	head := cells(table[0])
	column := slices.Index(head, tableColumn)
	if column < 0 {
		column = len(head)
		head = append(head, tableColumn)
	}
	known := map[string][]string{}
	for _, l := range table[2:] {
		known[cells(l)[0]] = cells(l)
	}
	var lines []string
	write := func(c []string) { lines = append(lines, "| "+strings.Join(c, " | ")+" |") }
	write(head)
	write(slices.Repeat([]string{"---"}, len(head)))
	for _, r := range rows {
		c := known[r.name]
		for len(c) < len(head) {
			c = append(c, "")
		}
		c[0], c[1], c[column] = r.name, fmt.Sprint(r.cases), r.cell()
		write(c)
	}
	want := before + strings.Join(lines, "\n") + "\n" + after
	if want == string(b) {
		return
	}
	if !*update {
		t.Errorf("docs/targets.md is not what nginx answers; run this test with -update and look at the difference")
		return
	}
	if err := os.WriteFile(tablePath, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cutTable finds the table in a document.
func cutTable(t *testing.T, text string) (before string, table []string, after string) {
	t.Helper()
	at := strings.Index(text, tableHead)
	if at < 0 {
		t.Fatalf("there is no table in %s", tablePath)
	}
	lines := strings.SplitAfter(text[at:], "\n")
	n := 0
	for n < len(lines) && strings.HasPrefix(lines[n], "|") {
		table = append(table, strings.TrimSpace(lines[n]))
		n++
	}
	return text[:at], table, strings.Join(lines[n:], "")
}

func cells(line string) []string {
	var out []string
	for _, c := range strings.Split(strings.Trim(line, "|"), "|") {
		out = append(out, strings.TrimSpace(c))
	}
	return out
}
