package migration_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/internal/migration"
	"github.com/sluicehq/sluice/internal/store"
)

// Set in the child that is to be killed.
const (
	killedFile   = "SLUICE_TEST_MIGRATE_FILE"
	killedTarget = "SLUICE_TEST_MIGRATE_TARGET" // a schema or database
)

// TestMigratingStoreChild is not a test: it is the process that the next test kills.
func TestMigratingStoreChild(t *testing.T) {
	path := os.Getenv(killedFile)
	if path == "" {
		t.Skip("it runs only as the child of TestKilledStore")
	}
	from, to := openSQLite(t, path, true), openPostgres(t, os.Getenv(killedTarget), true)
	mustMove(t, migration.StoreOptions{From: from, To: to, BatchItems: 100})
}

// killed runs a child again and again, and kills it with nothing to say at a random moment, until it has ended by
// itself; it returns how often it was killed.
func killed(t *testing.T, child string, patience time.Duration, random interface{ Int64N(int64) int64 }, env ...string) (times int) {
	t.Helper()
	for ; ; times++ {
		cmd := exec.Command(os.Args[0], "-test.run=^"+child+"$", "-test.v")
		cmd.Env = append(os.Environ(), env...)
		// Later rounds are given more time, so that the test ends.
		wait := time.Duration(random.Int64N(int64(patience) * int64(times+1)))
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		running := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
		running.Env = cmd.Env
		out, err := running.CombinedOutput()
		ended := ctx.Err() == nil
		cancel()
		if ended && err != nil {
			t.Fatalf("the child has failed: %v\n%s", err, out)
		}
		if ended {
			return times
		}
	}
}

// TestKilledStore kills the process that moves a store, and lets another go on.
func TestKilledStore(t *testing.T) {
	random := seeded(t)
	path := filepath.Join(t.TempDir(), "store.db")
	writing := openSQLite(t, path, false)
	v := &invented{random: random}
	v.fill(t, writing, 3000)
	if err := writing.Close(); err != nil {
		t.Fatal(err)
	}
	name := schema(t)
	times := killed(t, "TestMigratingStoreChild", 200*time.Millisecond, random, killedFile+"="+path, killedTarget+"="+name)
	t.Logf("it was killed %d times", times)
	from, to := openSQLite(t, path, true), openPostgres(t, name, false)
	if diff := cmp.Diff(items(t, from, store.Mark{}), items(t, to, store.Mark{})); diff != "" {
		t.Errorf("%.2000s", diff)
	}
	if diff := cmp.Diff(holdingOf(t, from, v.txs), holdingOf(t, to, v.txs)); diff != "" {
		t.Errorf("%.2000s", fmt.Sprint(diff))
	}
}
