package sqlite

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/store"
)

// TestDumpLeavesNothingOut compares the columns of the schema with those that are dumped. Whoever adds one adds it to store.Groups,
// or says here why another store can do without.
func TestDumpLeavesNothingOut(t *testing.T) {
	left := []string{
		"reports.seq", "conversions.seq", // numbers of rows that nothing is ordered by
		"schema.version", // of the file
	}
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var dumped []string
	for i := range store.Groups {
		g := &store.Groups[i]
		for table := range strings.SplitSeq(strings.ReplaceAll(tableOf(g.Name), " USING (id)", ""), " LEFT JOIN ") {
			for _, f := range g.Fields {
				dumped = append(dumped, table+"."+f.Name)
			}
		}
	}
	rows, err := s.reader.Query("SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	found := 0
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			t.Fatal(err)
		}
		if found++; !slices.Contains(dumped, column) && !slices.Contains(left, column) {
			t.Errorf("the column %s is not dumped: a migration to another engine would lose it", column)
		}
	}
	if found < 80 {
		t.Errorf("there are only %d columns", found)
	}
}
