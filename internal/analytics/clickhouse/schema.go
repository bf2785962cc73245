package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// The tables. Their names are part of what operators see, and stay.
const (
	clicksTable  = "clicks"       // what reports read: the rows, or all shards of them
	shardTable   = "clicks_shard" // with a cluster, the rows of one shard
	linksTable   = "links"        // names of links
	appendsTable = "appends"      // what was stored from which source
	schemaTable  = "schema"       // which migrations were applied
)

// migrations bring the tables from each version to the next; the first starts from
// nothing. What a released one does never changes. ClickHouse has no transaction
// around statements, so each must be fit to be run again, also by two at a time:
// a migration that was broken off is begun anew by the next Open.
var migrations = []func(t tables) []string{
	tables.create,
}

// tables writes the statements that make them.
type tables struct {
	database  string
	cluster   string // "" for one server
	partition string // "month" or "day"
}

func (t tables) name(table string) string { return t.database + "." + table }

// rows is the table that holds rows itself.
func (t tables) rows() string {
	if t.cluster != "" {
		return t.name(shardTable)
	}
	return t.name(clicksTable)
}

// on is the clause that has a statement run on all servers of the cluster.
func (t tables) on() string {
	if t.cluster == "" {
		return ""
	}
	return " ON CLUSTER " + t.cluster
}

// engine returns a table's engine; arguments are those of the plain one. A shard's
// rows are kept by the shard's replicas, everything else by all servers.
func (t tables) engine(name, table string, arguments ...string) string {
	if t.cluster != "" {
		path, replica := fmt.Sprintf("'/clickhouse/tables/all/%s/%s'", t.database, table), "'{shard}-{replica}'"
		if table == shardTable {
			path, replica = fmt.Sprintf("'/clickhouse/tables/{shard}/%s/%s'", t.database, table), "'{replica}'"
		}
		name, arguments = "Replicated"+name, append([]string{path, replica}, arguments...)
	}
	return name + "(" + strings.Join(arguments, ", ") + ")"
}

// createDatabase comes before anything else.
func (t tables) createDatabase() string {
	return "CREATE DATABASE IF NOT EXISTS " + t.database + t.on()
}

// createSchema makes the table that says which migrations were applied.
func (t tables) createSchema() string {
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s (version UInt32, at DateTime DEFAULT now()) ENGINE = %s ORDER BY version",
		t.name(schemaTable), t.on(), t.engine("MergeTree", schemaTable))
}

// create is the first version.
//
// Clicks are ordered by the minute, for reports and look-ups ask about a time, and
// within it by link, which lets a report about one link skip the others; copies of a
// click have the same minute, link and id, and so meet in a merge. A minute is short
// enough to be read whole for one id. Time is kept as a number: 2018's releases know
// no milliseconds.
func (t tables) create() []string {
	period := "toYYYYMM"
	if t.partition == "day" {
		period = "toYYYYMMDD"
	}
	var columns []string
	for _, f := range fields {
		columns = append(columns, "\t"+f.name+" "+f.kind)
	}
	local := clicksTable
	if t.cluster != "" {
		local = shardTable
	}
	statements := []string{
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s (\n%s\n) ENGINE = %s\nPARTITION BY %s(toDateTime(least(intDiv(time, 1000), 4294967295), 'UTC'))\nORDER BY (minute, link, time, id_middle, id_low)",
			t.rows(), t.on(), strings.Join(columns, ",\n"), t.engine("ReplacingMergeTree", local, "version"), period),
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s (link Int64, slug String, at UInt64) ENGINE = %s ORDER BY link",
			t.name(linksTable), t.on(), t.engine("ReplacingMergeTree", linksTable, "at")),
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s (source String, number UInt64, tag UInt64, kind UInt8, position_from String, position_to String, firsts Array(UInt64), lasts Array(UInt64), at DateTime DEFAULT now()) ENGINE = %s PARTITION BY toYYYYMMDD(at) ORDER BY (source, number) SETTINGS index_granularity = 256",
			t.name(appendsTable), t.on(), t.engine("MergeTree", appendsTable)),
	}
	if t.cluster != "" {
		// Copies of a click have the same id, and so meet on one shard.
		statements = append(statements, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s AS %s ENGINE = Distributed(%s, %s, %s, intHash64(id_low))",
			t.name(clicksTable), t.on(), t.rows(), t.cluster, t.database, shardTable))
	}
	return statements
}

// migrate brings the tables to this program's version.
func (e *Engine) migrate(ctx context.Context) error {
	// What is there is not made again: in a cluster that asks all servers, and one may be away.
	var made uint64
	err := e.scan(ctx, fmt.Sprintf("SELECT count() FROM system.tables WHERE database = '%s' AND name = '%s'", e.tables.database, schemaTable), &made)
	if err == nil && made == 0 {
		err = e.define(ctx, e.tables.createSchema())
	}
	if err != nil {
		return err
	}
	version, err := e.schemaVersion(ctx)
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("the database %s has version %d of the schema and this program knows versions up to %d: "+
			"start the newer release that wrote it, or restore a backup from before", e.tables.database, version, len(migrations))
	}
	if err := e.sameLayout(ctx); err != nil {
		return err
	}
	for ; version < len(migrations); version++ {
		for _, statement := range migrations[version](e.tables) {
			if err := e.define(ctx, statement); err != nil {
				return fmt.Errorf("version %d of the schema is half made and will be finished by the next start: %w", version+1, err)
			}
		}
		if err := e.exec(ctx, fmt.Sprintf("INSERT INTO %s (version) SELECT toUInt32(%d)", e.tables.name(schemaTable), version+1)); err != nil {
			return err
		}
	}
	return nil
}

// schemaVersion is the newest migration that was applied, 0 for none.
func (e *Engine) schemaVersion(ctx context.Context) (int, error) {
	var version uint32
	err := e.scan(ctx, "SELECT max(version) FROM "+e.tables.name(schemaTable), &version)
	return int(version), err
}

// sameLayout refuses tables that were made for a cluster by an engine without one,
// which would write past the other shards, and the other way round.
func (e *Engine) sameLayout(ctx context.Context) error {
	var shards, clicks uint64
	err := e.scan(ctx, fmt.Sprintf("SELECT countIf(name = '%s'), countIf(name = '%s') FROM system.tables WHERE database = '%s'",
		shardTable, clicksTable, e.tables.database), &shards, &clicks)
	switch {
	case err != nil:
		return err
	case shards > 0 && e.tables.cluster == "":
		return fmt.Errorf("the tables in %s were made for a cluster: name the cluster", e.tables.database)
	case shards == 0 && clicks > 0 && e.tables.cluster != "":
		return fmt.Errorf("the tables in %s were made without a cluster: take another database for the cluster, and copy the clicks", e.tables.database)
	}
	return nil
}

// define runs a statement that makes something if it is not there. Two at the same
// time may get into each other's way, which the next try finds settled.
func (e *Engine) define(ctx context.Context, statement string) error {
	const tries = 5
	for try := 1; ; try++ {
		err := e.exec(ctx, statement)
		if code := codeOf(err); err == nil || try == tries || code == codeAccessDenied || code == codeReadonly || code == codeNoDatabaseAccess || ctx.Err() != nil {
			return err
		}
		if err := sleep(ctx, time.Duration(try)*50*time.Millisecond); err != nil {
			return err
		}
	}
}
