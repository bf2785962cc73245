package clickhouse

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/parquet-go/parquet-go"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// exported is a row of an export, with the names, order and types that every engine's
// exports have. Texts that others chose are marked: in CSV they must be no formula.
type exported struct {
	Time           int64  `parquet:"time,timestamp(millisecond:local),delta"`
	ID             string `parquet:"id"`
	Link           int64  `parquet:"link_id"`
	Site           string `parquet:"site,dict" csv:"foreign"`
	Slug           string `parquet:"slug,dict" csv:"foreign"`
	Host           string `parquet:"host,dict" csv:"foreign"`
	Outcome        string `parquet:"outcome,dict"`
	Code           uint16 `parquet:"code"`
	Why            string `parquet:"why,dict"`
	Program        string `parquet:"program,dict" csv:"foreign"`
	Partner        string `parquet:"partner,dict" csv:"foreign"`
	Variant        string `parquet:"variant,dict" csv:"foreign"`
	Rule           string `parquet:"rule,dict" csv:"foreign"`
	Page           string `parquet:"page,dict" csv:"foreign"`
	URL            string `parquet:"url" csv:"foreign"`
	Visitor        string `parquet:"visitor"`
	IP             string `parquet:"ip" csv:"foreign"`
	Agent          string `parquet:"agent,dict" csv:"foreign"`
	Referrer       string `parquet:"referrer,dict" csv:"foreign"`
	ReferrerHost   string `parquet:"referrer_host,dict" csv:"foreign"`
	Language       string `parquet:"language,dict" csv:"foreign"`
	Country        string `parquet:"country,dict" csv:"foreign"`
	Query          string `parquet:"query,dict" csv:"foreign"`
	Sub1           string `parquet:"sub1,dict" csv:"foreign"`
	Sub2           string `parquet:"sub2,dict" csv:"foreign"`
	Sub3           string `parquet:"sub3,dict" csv:"foreign"`
	Sub4           string `parquet:"sub4,dict" csv:"foreign"`
	Sub5           string `parquet:"sub5,dict" csv:"foreign"`
	Sub6           string `parquet:"sub6,dict" csv:"foreign"`
	Sub7           string `parquet:"sub7,dict" csv:"foreign"`
	Sub8           string `parquet:"sub8,dict" csv:"foreign"`
	Sub9           string `parquet:"sub9,dict" csv:"foreign"`
	Sub10          string `parquet:"sub10,dict" csv:"foreign"`
	Signals        string `parquet:"signals,dict"`
	FetchDest      string `parquet:"fetch_dest,dict"`
	FetchMode      string `parquet:"fetch_mode,dict"`
	FetchSite      string `parquet:"fetch_site,dict"`
	Verdict        string `parquet:"verdict,dict"`
	Reasons        string `parquet:"reasons,dict"`
	ASN            uint32 `parquet:"asn"`
	Network        string `parquet:"network,dict" csv:"foreign"`
	Browser        string `parquet:"browser,dict" csv:"foreign"`
	BrowserVersion string `parquet:"browser_version,dict" csv:"foreign"`
	OS             string `parquet:"os,dict" csv:"foreign"`
	Device         string `parquet:"device,dict"`
	BotName        string `parquet:"bot_name,dict" csv:"foreign"`
	BotClass       string `parquet:"bot_class,dict" csv:"foreign"`
	Valid          bool   `parquet:"valid"`
	Unique         bool   `parquet:"unique"`
	Duplicate      bool   `parquet:"duplicate"`
}

// exportedColumns are what the rows are made from.
var exportedColumns = func() string {
	var names []string
	for _, f := range fields {
		if f.name != "minute" && f.name != "version" && f.name != "is_bot" && f.name != "is_ahead" {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}()

// raw is a row as it comes, in the order of exportedColumns.
type raw struct {
	id                                      clickID
	visitor                                 visitorID
	valid, unique, duplicate                uint8
	outcome, verdict, device                uint8
	fetch                                   uint16
	why, signals, reasons, urlID            uint32
	ip, url                                 string
	x                                       exported
	outcomeNames, verdictNames, deviceNames []string
}

func newRaw() *raw {
	return &raw{outcomeNames: analytics.Names(analytics.ByOutcome), verdictNames: analytics.Names(analytics.ByVerdict), deviceNames: analytics.Names(analytics.ByDevice)}
}

func (r *raw) read(rows driver.Rows) error {
	err := r.scan(rows)
	if err == nil {
		r.translate()
	}
	return err
}

func (r *raw) scan(rows driver.Rows) error {
	x := &r.x
	return rows.Scan(&r.id.time, &r.id.middle, &r.id.low, &r.visitor.high, &r.visitor.low, &x.Link, &r.valid, &r.unique, &r.duplicate,
		&r.outcome, &r.verdict, &r.device, &x.Code, &r.fetch, &r.why, &r.signals, &r.reasons, &x.ASN, &r.ip,
		&x.Site, &x.Host, &x.Slug, &x.Program, &x.Partner, &x.Variant, &x.Rule, &x.Page, &r.url, &r.urlID,
		&x.Agent, &x.Browser, &x.BrowserVersion, &x.OS, &x.BotName, &x.BotClass, &x.Referrer, &x.ReferrerHost,
		&x.Language, &x.Country, &x.Network, &x.Query,
		&x.Sub1, &x.Sub2, &x.Sub3, &x.Sub4, &x.Sub5, &x.Sub6, &x.Sub7, &x.Sub8, &x.Sub9, &x.Sub10)
}

// wholeURL puts a click's id back where it was cut out.
func (r *raw) wholeURL(id affiliate.ClickID) string {
	if at := int(r.urlID) - 1; at >= 0 && at <= len(r.url) {
		return r.url[:at] + string(id[:]) + r.url[at:]
	}
	return r.url
}

// address is the zero address where none was kept.
func (r *raw) address() netip.Addr {
	ip, _ := netip.AddrFromSlice([]byte(r.ip))
	return ip
}

// translate turns what was kept as numbers into the words that exports have.
func (r *raw) translate() {
	x := &r.x
	id := r.id.text()
	x.Time, x.ID, x.Visitor = int64(r.id.time), r.id.spelled(), ""
	if r.visitor != (visitorID{}) {
		x.Visitor = r.visitor.text().String()
	}
	x.Outcome, x.Verdict, x.Device = nameOf(r.outcomeNames, r.outcome), nameOf(r.verdictNames, r.verdict), nameOf(r.deviceNames, r.device)
	x.Why = strings.Join(affiliate.Why(r.why).Strings(), " ")
	x.Signals = strings.Join(affiliate.Signals(r.signals).Strings(), " ")
	x.Reasons = strings.Join(affiliate.Reasons(r.reasons).Strings(), " ")
	fetch := affiliate.Fetch(r.fetch)
	x.FetchDest, x.FetchMode, x.FetchSite = fetch.Dest(), fetch.Mode(), fetch.Site()
	x.URL = r.wholeURL(id)
	x.IP = ""
	if ip := r.address(); ip.IsValid() {
		x.IP = ip.String()
	}
	x.Valid, x.Unique, x.Duplicate = r.valid != 0, r.unique != 0, r.duplicate != 0
}

func nameOf(names []string, n uint8) string {
	if int(n) < len(names) {
		return names[n]
	}
	return ""
}

// writer writes an export's rows somewhere.
type writer interface {
	header() error
	write(x *exported) error
	flush() error
}

// Export reads the matching clicks oldest first, some minutes at a time, so that the
// server sorts no more than these.
func (e *Engine) Export(ctx context.Context, f analytics.Filter, format analytics.ExportFormat, w io.Writer) error {
	if err := f.Check(); err != nil {
		return err
	}
	if err := format.Check(); err != nil {
		return err
	}
	to := &taker{w: w}
	var out writer = &csvWriter{w: csv.NewWriter(to)}
	if format == analytics.Parquet {
		out = &parquetWriter{w: parquet.NewGenericWriter[exported](to, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(groupRows))}
	}
	err := e.export(ctx, f, out)
	if to.err != nil { // that of the reader counts
		return fmt.Errorf("analytics: the export was not taken: %w", to.err)
	}
	return e.explain(ctx, err)
}

// taker remembers why the export was not taken.
type taker struct {
	w   io.Writer
	err error
}

func (t *taker) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	if err != nil && t.err == nil {
		t.err = err
	}
	return n, err
}

// Bounds of an export's parts.
const (
	spanRows  = 100_000 // read and sorted by one statement, if a minute has no more
	groupRows = 20_480  // put together in memory for Parquet
)

func (e *Engine) export(ctx context.Context, f analytics.Filter, out writer) error {
	where, err := e.where(ctx, f)
	if err != nil {
		return err
	}
	spans, err := e.spans(ctx, where)
	if err != nil {
		return err
	}
	if err := out.header(); err != nil {
		return err
	}
	row := newRaw()
	for _, span := range spans {
		query := fmt.Sprintf("SELECT %s FROM %s WHERE minute >= %d AND minute <= %d AND %s ORDER BY time, id_middle, id_low, version DESC%s",
			exportedColumns, e.tables.name(clicksTable), span.first, span.last, where.condition, copiesOnce)
		err := e.each(ctx, query, func(rows driver.Rows) error {
			if err := row.read(rows); err != nil {
				return err
			}
			return out.write(&row.x)
		}, where.along...)
		if err != nil {
			return err
		}
	}
	return out.flush()
}

// spans cuts the minutes that have matching clicks into parts.
func (e *Engine) spans(ctx context.Context, w where) (spans []run, err error) {
	var held uint64
	query := fmt.Sprintf("SELECT minute, count() FROM %s WHERE %s GROUP BY minute ORDER BY minute", e.tables.name(clicksTable), w.condition)
	err = e.each(ctx, query, func(rows driver.Rows) error {
		var minute, clicks uint64
		if err := rows.Scan(&minute, &clicks); err != nil {
			return err
		}
		if len(spans) == 0 || held+clicks > spanRows {
			spans, held = append(spans, run{minute, minute}), 0
		}
		spans[len(spans)-1].last = minute
		held += clicks
		return nil
	}, w.along...)
	return spans, err
}

// csvWriter writes CSV.
type csvWriter struct {
	w     *csv.Writer
	cells []string
}

func (c *csvWriter) header() error {
	for _, column := range exportColumns {
		c.cells = append(c.cells, column.name)
	}
	return c.w.Write(c.cells)
}

func (c *csvWriter) write(x *exported) error {
	for i := range exportColumns {
		c.cells[i] = exportColumns[i].cell(x)
	}
	return c.w.Write(c.cells)
}

func (c *csvWriter) flush() error {
	c.w.Flush()
	return c.w.Error()
}

// disarm puts an apostrophe before what a spreadsheet would take for a formula.
func disarm(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

// exportColumns are the columns of exported.
var exportColumns = func() (columns []exportColumn) {
	for i, f := range reflect.VisibleFields(reflect.TypeFor[exported]()) {
		name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		columns = append(columns, exportColumn{name, i, f.Tag.Get("csv") == "foreign"})
	}
	return columns
}()

type exportColumn struct {
	name    string
	at      int
	foreign bool
}

func (c *exportColumn) cell(x *exported) string {
	if c.at == 0 {
		return instant(x.Time)
	}
	v := reflect.ValueOf(x).Elem().Field(c.at)
	switch v.Kind() {
	case reflect.String:
		if c.foreign {
			return disarm(v.String())
		}
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint16, reflect.Uint32:
		return strconv.FormatUint(v.Uint(), 10)
	}
	panic(fmt.Sprintf("BUG: an export has a %v", v.Kind()))
}

// instant is how exports write a time.
func instant(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// parquetWriter writes Parquet in groups of rows.
type parquetWriter struct {
	w    *parquet.GenericWriter[exported]
	rows []exported
}

func (p *parquetWriter) header() error { return nil }

func (p *parquetWriter) write(x *exported) error {
	p.rows = append(p.rows, *x)
	if len(p.rows) < 1024 {
		return nil
	}
	return p.pass()
}

func (p *parquetWriter) pass() error {
	_, err := p.w.Write(p.rows)
	p.rows = p.rows[:0]
	return err
}

func (p *parquetWriter) flush() error {
	if err := p.pass(); err != nil {
		return err
	}
	return p.w.Close()
}
