package crash

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice/test/load"
)

// portfolio writes a file of links for an import.
func portfolio(t *testing.T, links int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "links.csv")
	if err := os.WriteFile(path, load.AppendCSV(nil, links), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
