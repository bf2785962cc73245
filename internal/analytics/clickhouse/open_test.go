package clickhouse

import (
	"context"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
)

// as is the address of the test's server for another user.
func as(t *testing.T, o Options, user, password string) Options {
	t.Helper()
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	o.URL, o.Password = u.String(), password
	return o
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	o := options(t)
	with := func(change func(o *Options)) Options { c := o; change(&c); return c }
	for _, test := range []struct {
		name string
		o    Options
		says []string
	}{
		{"nobody", as(t, o, "nobody", "secret-7"), []string{"user or the password", "nobody@"}},
		{"a wrong password", as(t, o, "default", "secret-7"), []string{"user or the password"}},
		{"nothing listens", with(func(o *Options) { o.URL = "clickhouse://default:secret-7@127.0.0.1:1/default" }), []string{"127.0.0.1:1", "whether it runs"}},
		{"no address", with(func(o *Options) { o.URL = "::secret-7" }), []string{"clickhouse://user@host:9000"}},
		{"HTTP", with(func(o *Options) { o.URL = "http://127.0.0.1:8123/default" }), []string{"native"}},
		{"a database that is SQL", with(func(o *Options) { o.Database = "a; DROP" }), []string{"letters"}},
		{"a cluster that is SQL", with(func(o *Options) { o.Cluster = "a'b" }), []string{"letters"}},
		{"a cluster that is none", with(func(o *Options) { o.Cluster = "mian" }), []string{"no cluster mian", "remote_servers"}},
		{"replicas without a cluster", with(func(o *Options) { o.InsertQuorum = 2 }), []string{"2 replicas", "in a cluster"}},
		{"a partition of weeks", with(func(o *Options) { o.Partition = "week" }), []string{"month", "day"}},
		{"no database to begin with", with(func(o *Options) { o.URL += "_nosuch" }), []string{"database"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			e, err := Open(ctx, test.o)
			if err == nil {
				_ = e.Close()
				t.Fatal("it opens")
			}
			for _, want := range append(test.says, "analytics: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret-7") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestSeveralOpenAnEmptyServerAtOnce(t *testing.T) {
	o := options(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			e, err := Open(context.Background(), o)
			if err != nil {
				t.Error(err)
				return
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	e := quiet(t, o)
	store(t, e, "", "1", some(0, 3))
	wantClicks(t, e, 3)
}

func TestAHalfMadeSchemaIsFinished(t *testing.T) {
	o := options(t)
	e := quiet(t, o)
	ctx := context.Background()
	statements := migrations[0](e.tables)
	for made := range statements {
		for _, table := range []string{clicksTable, linksTable, appendsTable, schemaTable} {
			if err := e.exec(ctx, "DROP TABLE IF EXISTS "+e.tables.name(table)); err != nil {
				t.Fatal(err)
			}
		}
		for _, statement := range append([]string{e.tables.createSchema()}, statements[:made]...) {
			if err := e.exec(ctx, statement); err != nil {
				t.Fatal(err)
			}
		}
		findings, err := Examine(ctx, o, time.Now())
		if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Problem, "half made") {
			t.Errorf("after %d statements: %v, %v", made, findings, err)
		}
		again := quiet(t, o)
		store(t, again, "", "1", some(0, 3))
		wantClicks(t, again, 3)
		if findings, err := again.Examine(ctx, time.Now()); err != nil || len(findings) > 0 {
			t.Errorf("after it was finished: %v, %v", findings, err)
		}
	}
}

func TestTablesOfANewerReleaseAreLeftAlone(t *testing.T) {
	o := options(t)
	e := quiet(t, o)
	if err := e.exec(context.Background(), "INSERT INTO "+e.tables.name(schemaTable)+" (version) SELECT toUInt32(99)"); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(context.Background(), o); err == nil || !strings.Contains(err.Error(), "newer release") {
		if err == nil {
			_ = again.Close()
		}
		t.Errorf("tables with version 99 of the schema: %v", err)
	}
	findings, err := e.Examine(context.Background(), time.Now())
	if err != nil || len(findings) != 1 || !findings[0].Harmful {
		t.Errorf("%v, %v", findings, err)
	}
}

func TestExamine(t *testing.T) {
	o := options(t)
	ctx := context.Background()
	one := func(what string, o Options, says string) {
		t.Helper()
		findings, err := Examine(ctx, o, time.Now())
		if err != nil || len(findings) == 0 || !strings.Contains(findings[0].Problem+findings[0].Mend, says) {
			t.Errorf("%s: %v, %v; want one that says %q", what, findings, err, says)
		}
		for _, f := range findings {
			if f.Mend == "" || f.Problem == "" || strings.Contains(f.Problem, "secret-7") {
				t.Errorf("%s: %+v", what, f)
			}
		}
	}
	one("no database", o, "no such database")
	one("a wrong password", as(t, o, "default", "secret-7"), "password")
	away := o
	away.URL = "clickhouse://default@127.0.0.1:1/default"
	one("nothing listens", away, "whether it runs")

	e := quiet(t, o)
	if findings, err := Examine(ctx, o, time.Now()); err != nil || len(findings) > 0 {
		t.Errorf("where all is well: %v, %v", findings, err)
	}
	unknown := o
	unknown.Cluster = "mian"
	if findings, err := Examine(ctx, unknown, time.Now()); err != nil || len(findings) != 1 || !strings.Contains(findings[0].Mend, "remote_servers") || strings.Contains(findings[0].Problem, "remote_servers") {
		t.Errorf("a cluster that is none: %v, %v", findings, err)
	}
	if findings, err := Examine(ctx, o, time.Now().Add(-time.Minute)); err != nil || len(findings) != 1 || !strings.Contains(findings[0].Problem, "clock") {
		t.Errorf("a clock that is slow: %v, %v", findings, err)
	}
	if err := e.exec(ctx, "ALTER TABLE "+e.tables.name(clicksTable)+" DROP COLUMN sub9"); err != nil {
		t.Fatal(err)
	}
	one("a column is missing", o, "clicks.sub9")
	err := e.Append(ctx, analytics.Batch{Source: "a", To: "1", Rows: some(0, 1)})
	if err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a batch for a table without a column: %v", err)
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// TestDefinitions shows the tables of every layout.
func TestDefinitions(t *testing.T) {
	for name, layout := range map[string]tables{
		"alone":   {database: "sluice", partition: "month"},
		"by_day":  {database: "sluice", partition: "day"},
		"cluster": {database: "sluice", partition: "month", cluster: "main"},
	} {
		statements := append([]string{layout.createDatabase(), layout.createSchema()}, layout.create()...)
		statements = append(statements, layout.remove([]copied{{clickID{1763640000000, 1, 2}, 3}}))
		got := strings.Join(statements, ";\n\n") + ";\n"
		path := filepath.Join("testdata", name+".sql")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: the statements differ from %s; if that is meant, and a migration leads there, run with -update:\n%s", name, path, got)
		}
	}
}

func TestAReportThatIsTooLargeIsRefused(t *testing.T) {
	o := options(t)
	o.ReportMemory = 1 << 20
	e := quiet(t, o)
	rows := some(0, 50_000)
	for i := range rows {
		rows[i].Page, rows[i].Referrer = rows[i].ID.String(), rows[i].Visitor.String()
	}
	store(t, e, "", "1", rows)
	_, err := e.Report(context.Background(), analytics.Query{By: []analytics.Dimension{analytics.ByPage}})
	if err == nil || !strings.Contains(err.Error(), "ask for less time") {
		t.Errorf("a report of 50,000 groups in a megabyte: %v", err)
	}
	store(t, e, "1", "2", some(50_000, 1)) // collectors go on
	o.ReportMemory = 0
	wantClicks(t, quiet(t, o), 50_001)
}
