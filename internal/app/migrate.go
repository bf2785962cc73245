package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluicehq/sluice/internal/analytics/clickhouse"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/migration"
	"github.com/sluicehq/sluice/internal/store/postgres"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// MigrateOptions say what Migrate does.
type MigrateOptions struct {
	Store, Clicks bool // what is asked for; neither: all that the configuration has on servers
	// CheckOnly compares and moves nothing.
	CheckOnly bool
	Progress  func(migration.Step)
	Logger    *slog.Logger
}

// Migrated is what Migrate has done and found. A part is nil that was not asked for, or not reached.
type Migrated struct {
	Store  *migration.Report `json:"store,omitempty"`
	Clicks *migration.Report `json:"clicks,omitempty"`
}

// Same says whether both sides are, in all that was asked for.
func (m *Migrated) Same() bool {
	return (m.Store == nil || m.Store.Same()) && (m.Clicks == nil || m.Clicks.Same())
}

// Migrate moves what is in the data folder to the servers that the configuration names, and compares both. It takes the
// folder's lock, and reads its engines without changing them.
func Migrate(ctx context.Context, cfg config.Config, o MigrateOptions) (m Migrated, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := o.choose(&cfg); err != nil {
		return m, err
	}
	folder, err := openFolderToMigrate(cfg.Data, &o)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, folder.close()) }()
	if o.Store {
		m.Store, err = migrateStore(ctx, folder, &cfg, &o)
	}
	if err == nil && o.Clicks && m.Same() {
		m.Clicks, err = migrateClicks(ctx, folder, &cfg, &o)
	}
	return m, err
}

// choose fills in what is moved, and refuses what is to stay in the folder.
func (o *MigrateOptions) choose(cfg *config.Config) error {
	toPostgres, toClickHouse := cfg.Store.Engine == config.Postgres, cfg.Analytics.Engine == config.ClickHouse
	switch {
	case !toPostgres && !toClickHouse:
		return errors.New("the configuration keeps everything in the data folder: write the servers to move to into it, store.engine and store.url, or analytics.engine and analytics.url, and name it with --config")
	case o.Store && !toPostgres:
		return fmt.Errorf("the store is to stay in the data folder (store.engine is %q): write where to move it into the configuration, store.engine and store.url", cfg.Store.Engine)
	case o.Clicks && !toClickHouse:
		return fmt.Errorf("the clicks are to stay in the data folder (analytics.engine is %q): write where to move them into the configuration, analytics.engine and analytics.url", cfg.Analytics.Engine)
	}
	if !o.Store && !o.Clicks {
		o.Store, o.Clicks = toPostgres, toClickHouse
	}
	return nil
}

// Where a data folder's own engines are.
func storeIn(f *folder) string  { return f.at("store", "sluice.db") }
func clicksIn(f *folder) string { return f.at("analytics", "clicks.duckdb") }

// openFolderToMigrate opens a folder that is there and not in use.
func openFolderToMigrate(path string, o *MigrateOptions) (*folder, error) {
	f := &folder{path: path}
	for _, need := range []struct {
		what, file string
		asked      bool
	}{{"store", storeIn(f), o.Store}, {"record of clicks", clicksIn(f), o.Clicks}} {
		if _, err := os.Stat(need.file); need.asked && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no %s to move in %s: %s is missing; name the right folder with --data, or move one of both: sluice migrate store, sluice migrate clicks", need.what, path, need.file)
		} else if need.asked && err != nil {
			return nil, err
		}
	}
	f, err := openFolder(path, nil)
	if errors.Is(err, ErrInUse) {
		holder, _ := os.ReadFile(filepath.Join(path, "lock"))
		return nil, fmt.Errorf("%w: %s is used by another Sluice (process %s); stop that one first, for what it writes while its data are moved would stay behind",
			ErrInUse, path, strings.TrimSpace(string(holder)))
	}
	return f, err
}

func migrateStore(ctx context.Context, f *folder, cfg *config.Config, o *MigrateOptions) (_ *migration.Report, err error) {
	from, err := sqlite.Open(ctx, sqlite.Options{Path: storeIn(f), ReadOnly: true, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	c := &cfg.Store
	to, err := postgres.Open(ctx, postgres.Options{URL: c.URL, Password: c.Password, Schema: c.Schema, ConnectionsMax: c.Connections, Unfinished: true, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	return migration.Store(ctx, migration.StoreOptions{From: from, To: to, Place: placeOf(storeIn(f)), CheckOnly: o.CheckOnly, Progress: o.Progress})
}

// placeOf names a file of this machine to people who may be on another.
func placeOf(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	if host, err := os.Hostname(); err == nil {
		return host + ":" + path
	}
	return path
}

func migrateClicks(ctx context.Context, f *folder, cfg *config.Config, o *MigrateOptions) (_ *migration.Report, err error) {
	c := &cfg.Analytics
	from, err := duckdb.Open(duckdb.Options{Path: clicksIn(f), ReadOnly: true, MemoryLimit: fmt.Sprintf("%dMiB", int64(c.MemoryLimit)>>20), Threads: c.Threads, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := clickhouse.Open(ctx, clickhouse.Options{URL: c.URL, Password: c.Password, Database: c.Database, Cluster: c.Cluster, InsertQuorum: c.Quorum, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	return migration.Clicks(ctx, migration.ClicksOptions{From: from, To: to, CheckOnly: o.CheckOnly, Progress: o.Progress})
}
