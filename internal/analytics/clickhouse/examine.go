package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Examine looks at a server that may be unreachable, and changes nothing. What keeps
// it from looking is a finding, not an error; an error says that the options are wrong
// or ctx has ended.
func Examine(ctx context.Context, o Options, now time.Time) ([]affiliate.Finding, error) {
	if _, err := o.check(); err != nil {
		return nil, err
	}
	o.examined = true
	e, err := connect(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return []affiliate.Finding{findingOf(err)}, nil
	}
	defer func() { _ = e.Close() }() // it was only asked
	return e.Examine(ctx, now)
}

// findingOf turns an error that says what to do into a finding.
func findingOf(err error) affiliate.Finding {
	text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "analytics: "), "\n", " ")
	var r *refusal
	if errors.As(err, &r) {
		return affiliate.Finding{Problem: strings.TrimSuffix(text, ": "+r.mend), Mend: r.mend, Harmful: true}
	}
	for _, h := range hints {
		if before, after, ok := strings.Cut(text, ": "+h.hint+": "); ok {
			return affiliate.Finding{Problem: before + ": " + after, Mend: h.hint, Harmful: true}
		}
	}
	return affiliate.Finding{Problem: text, Mend: "start ClickHouse, or correct its address; clicks wait in the journal meanwhile", Harmful: true}
}

// Bounds that Examine goes by.
const (
	clockSkew    = 5 * time.Second
	partsMany    = 150 // of a partition: from here on older servers slow inserts down
	diskLow      = 0.10
	mutationsOld = time.Hour
	looseMany    = 100
)

// Examine looks at the server and the tables.
func (e *Engine) Examine(ctx context.Context, now time.Time) (findings []affiliate.Finding, err error) {
	find := func(harmful bool, mend, problem string, args ...any) {
		findings = append(findings, affiliate.Finding{Problem: e.place + ": " + fmt.Sprintf(problem, args...), Mend: mend, Harmful: harmful})
	}
	for _, look := range []func(context.Context, func(bool, string, string, ...any)) error{
		e.clockExaminer(now), e.examineSchema, e.examineRights, e.examineParts, e.examineDisks, e.examineReplicas, e.examineLog,
	} {
		if err := look(ctx, find); err != nil {
			if ctx.Err() != nil {
				return findings, e.explain(ctx, err)
			}
			findings = append(findings, findingOf(e.explain(ctx, err)))
		}
	}
	if leftOut, removed := e.Mended(); removed > 0 {
		find(false, "nothing, if collectors were killed or moved lately; otherwise see that each source has one collector",
			"%d copies of clicks were removed since the start, and %d clicks left out that were there", removed, leftOut)
	}
	return findings, nil
}

func (e *Engine) clockExaminer(now time.Time) func(context.Context, func(bool, string, string, ...any)) error {
	began := time.Now()
	return func(ctx context.Context, find func(bool, string, string, ...any)) error {
		var seconds uint32
		err := e.scan(ctx, "SELECT toUInt32(now())", &seconds)
		at := time.Unix(int64(seconds), 0)
		if err == nil && (at.Before(now.Add(-clockSkew)) || at.After(now.Add(time.Since(began)+clockSkew))) {
			find(false, "set both by NTP; the log of batches is kept by the server's clock",
				"its clock differs by %v from this machine's", at.Sub(now).Round(time.Second))
		}
		return err
	}
}

// examineSchema compares the tables with what this program makes.
func (e *Engine) examineSchema(ctx context.Context, find func(bool, string, string, ...any)) error {
	there := map[string]string{} // the columns of clicks with their types, and tables
	err := e.eachWith(ctx, nil, fmt.Sprintf("SELECT table, name, type FROM system.columns WHERE database = '%s'", e.tables.database), func(rows driver.Rows) error {
		var table, name, kind string
		err := rows.Scan(&table, &name, &kind)
		there[table] = ""
		there[table+"."+name] = kind
		return err
	})
	if err != nil {
		return err
	}
	if _, made := there[schemaTable]; !made {
		find(false, "start Sluice, which makes them", "the database %s has no tables of Sluice's yet", e.tables.database)
		return nil
	}
	version, err := e.schemaVersion(ctx)
	if err != nil {
		return err
	}
	switch {
	case version > len(migrations):
		find(true, "start the newer release of Sluice that wrote it", "its schema has version %d and this program knows %d", version, len(migrations))
		return nil
	case version < len(migrations):
		find(false, "start Sluice, which finishes the work", "its schema has version %d of %d, or is half made", version, len(migrations))
		return nil
	}
	var missing []string
	for _, table := range []string{linksTable, appendsTable} {
		if _, ok := there[table]; !ok {
			missing = append(missing, table)
		}
	}
	for _, f := range fields {
		if kind := there[clicksTable+"."+f.name]; kind != f.kind {
			missing = append(missing, strings.TrimSpace(clicksTable+"."+f.name+" "+f.kind+" "+kind))
		}
	}
	if len(missing) > 0 {
		find(true, "restore a backup, or make them as the documentation says", "tables or columns are missing or other than they were made: %s", strings.Join(missing, ", "))
	}
	return nil
}

// examineRights tries what an engine does, in ways that change nothing.
func (e *Engine) examineRights(ctx context.Context, find func(bool, string, string, ...any)) error {
	var tables uint64
	if err := e.scan(ctx, fmt.Sprintf("SELECT count() FROM system.tables WHERE database = '%s' AND name = '%s'", e.tables.database, appendsTable), &tables); err != nil || tables == 0 {
		return err
	}
	for _, try := range []struct {
		statement string
		settings  settings
	}{
		{"SELECT count() FROM " + e.tables.name(clicksTable) + " WHERE minute = 0", e.reading()},
		{fmt.Sprintf("INSERT INTO %[1]s (source) SELECT '' FROM system.one WHERE 0", e.tables.name(appendsTable)), nil},
		{fmt.Sprintf("ALTER TABLE %s DELETE WHERE 0", e.tables.rows()), nil},
		{"SELECT count() FROM system.processes WHERE query_id = ''", nil},
		{"SELECT count() FROM system.mutations WHERE database = ''", nil},
		{"SELECT count() FROM system.parts WHERE database = ''", nil},
	} {
		err := e.execWith(ctx, try.settings, try.statement)
		switch codeOf(err) {
		case codeAccessDenied, codeReadonly, codeNoDatabaseAccess, codeUnknownSetting, 452:
			find(true, findingOf(e.explain(ctx, err)).Mend, "the user may not do what Sluice has to: %v", err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) examineParts(ctx context.Context, find func(bool, string, string, ...any)) error {
	err := e.eachWith(ctx, nil, fmt.Sprintf("SELECT table, partition, count() AS parts FROM system.parts WHERE active AND database = '%s' GROUP BY table, partition HAVING parts >= %d",
		e.tables.database, partsMany), func(rows driver.Rows) error {
		var table, partition string
		var parts uint64
		err := rows.Scan(&table, &partition, &parts)
		find(false, "store larger batches less often, or give the server faster disks and more threads for merges",
			"the partition %s of %s has %d parts; batches come faster than they are merged", partition, table, parts)
		return err
	})
	if err != nil {
		return err
	}
	var mutations uint64
	err = e.scan(ctx, fmt.Sprintf("SELECT count() FROM system.mutations WHERE database = '%s' AND is_done = 0 AND create_time < now() - %d", e.tables.database, int(mutationsOld/time.Second)), &mutations)
	if mutations > 0 {
		find(false, "see system.mutations and the server's log", "%d removals of copies are not done after %v", mutations, mutationsOld)
	}
	return err
}

// examineDisks needs a release from 2020 on; older ones do not tell.
func (e *Engine) examineDisks(ctx context.Context, find func(bool, string, string, ...any)) error {
	var known uint64
	if err := e.scan(ctx, "SELECT count() FROM system.tables WHERE database = 'system' AND name = 'disks'", &known); err != nil || known == 0 {
		return err
	}
	return e.eachWith(ctx, nil, "SELECT name, free_space, total_space FROM system.disks WHERE total_space > 0", func(rows driver.Rows) error {
		var name string
		var free, total uint64
		err := rows.Scan(&name, &free, &total)
		if err == nil && float64(free) < diskLow*float64(total) {
			find(false, "make room, or drop old partitions of clicks", "the disk %s has %d MB left of %d MB", name, free>>20, total>>20)
		}
		return err
	})
}

// examineLog looks at batches that were broken off.
func (e *Engine) examineLog(ctx context.Context, find func(bool, string, string, ...any)) error {
	var tables uint64
	if err := e.scan(ctx, fmt.Sprintf("SELECT count() FROM system.tables WHERE database = '%s' AND name = '%s'", e.tables.database, appendsTable), &tables); err != nil || tables == 0 {
		return err
	}
	loose, err := e.overtaken(ctx, time.Hour)
	if err == nil && len(loose) >= looseMany {
		find(false, "see the log for what breaks them off, and that each source has one collector",
			"%d batches were broken off or overtaken in the last hour", len(loose))
	}
	return err
}
