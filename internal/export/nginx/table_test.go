package nginx

import (
	"testing"
)

type row struct {
	name  string
	cases int
	got   tally
}

func checkTable(t *testing.T, rows []row) {
	for _, r := range rows {
		t.Logf("%s %d alike %d listed %d %v", r.name, r.cases, r.got.alike, r.got.listed, r.got.reasons)
	}
}
