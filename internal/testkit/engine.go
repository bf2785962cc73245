package testkit

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Engine returns the address of a real server: the value of SLUICE_TEST_ and the name in capitals,
// such as POSTGRES, from the environment or from bin/engines.env, which scripts/engines.sh
// writes. Without one the test is skipped, with a line that says how to get it; where every
// engine must be met (CI or SLUICE_REQUIRE_ENGINES is set), it fails.
func Engine(t testing.TB, name string) string {
	t.Helper()
	key := "SLUICE_TEST_" + strings.ToUpper(name)
	address := os.Getenv(key)
	if address == "" {
		address = startedEngine(key)
	}
	if address != "" {
		return address
	}
	const hint = "%s is not running: scripts/engines.sh start (or set %s)"
	if os.Getenv("CI") != "" || os.Getenv("SLUICE_REQUIRE_ENGINES") != "" {
		t.Fatalf(hint, name, key)
	}
	t.Skipf(hint, name, key)
	return ""
}

// startedEngine looks for the servers that were started for this working copy.
func startedEngine(key string) string {
	f, err := os.Open(filepath.Join(workingCopy(), "bin", "engines.env"))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok && name == key {
			return value
		}
	}
	return ""
}

// workingCopy is the folder above the test that has the module's go.mod.
func workingCopy() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	return dir
}
