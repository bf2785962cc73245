package main

import (
	"testing"
)

func TestDemoFillsAnEmptyFolderOnce(t *testing.T) {
	data := t.TempDir()
	contains(t, sluice(t, data, "demo", "--days", "10").must(t, exitFine).out, "30 links on 2 sites", "sluice serve --data "+data)
	contains(t, sluice(t, data, "demo").must(t, exitProblems).err, "30 links already", "--data")

	var r reportAnswer
	sluice(t, data, "report", "--by", "link", "--since", "11d", "--format", "json").must(t, exitFine).json(t, &r)
	if r.Totals["clicks"] < 5000 || len(r.Rows) < 25 {
		t.Errorf("%d clicks on %d links", r.Totals["clicks"], len(r.Rows))
	}
	contains(t, sluice(t, data, "link", "show", "rail-pass").must(t, exitFine).out, "far-and-slow/rail-pass")
	if total := linkCount(t, data); total != 30 {
		t.Errorf("%d links", total)
	}
}
