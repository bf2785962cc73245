package clickhouse

import (
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// names keeps the links' names beside the clicks: the newest one, by the time of a
// click that had it, is the one that reports show. A name without clicks does no harm,
// so names are stored before rows.
type names struct {
	mu    sync.Mutex
	known map[int64]naming // what was stored by this engine
}

// naming is the newest name of a link that was stored.
type naming struct {
	slug uint64 // its hash
	at   uint64
}

const (
	namesMax = 1 << 20 // remembered; then all are forgotten, and stored again when met
	// A name is stored again when it is that much older than a click with it, for
	// another collector may have stored another one meanwhile.
	nameAge = msHour
)

var nameSeed = maphash.MakeSeed()

// store adds the names that rows bring.
func (n *names) store(ctx context.Context, e *Engine, rows []Row) error {
	fresh := n.fresh(rows)
	if len(fresh) == 0 {
		return nil
	}
	table, err := ext.NewTable("named", ext.Column("link", "Int64"), ext.Column("slug", "String"), ext.Column("at", "UInt64"))
	if err != nil {
		return err
	}
	for link, r := range fresh {
		if err := table.Append(link, clean(r.Slug), numberOf(r.ID).time); err != nil {
			return err
		}
	}
	if err := e.execInTurn(ctx, nil, fmt.Sprintf("INSERT INTO %s (link, slug, at) SELECT link, slug, at FROM named", e.tables.name(linksTable)), table); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known)+len(fresh) > namesMax {
		clear(n.known)
	}
	for link, r := range fresh {
		n.known[link] = naming{maphash.String(nameSeed, r.Slug), numberOf(r.ID).time}
	}
	return nil
}

// fresh finds for each link the newest row whose name is not stored. A name that is
// older than the one stored is of no use.
func (n *names) fresh(rows []Row) map[int64]*Row {
	n.mu.Lock()
	defer n.mu.Unlock()
	fresh := map[int64]*Row{}
	for i := range rows {
		r := &rows[i]
		if r.Link == 0 { // no link was found: the name is the visitor's
			continue
		}
		if k, ok := n.known[r.Link]; ok {
			at := numberOf(r.ID).time
			if at < k.at || at < k.at+nameAge && k.slug == maphash.String(nameSeed, r.Slug) {
				continue
			}
		}
		if f := fresh[r.Link]; f == nil || numberOf(f.ID).time <= numberOf(r.ID).time {
			fresh[r.Link] = r
		}
	}
	return fresh
}

// currentNames is a query for the newest name of each link.
func (e *Engine) currentNames(condition string) string {
	return fmt.Sprintf("SELECT link, argMax(slug, at) AS current FROM %s WHERE %s GROUP BY link", e.tables.name(linksTable), condition)
}

// namesOf looks up the names of links.
func (e *Engine) namesOf(ctx context.Context, links []int64) (map[int64]string, error) {
	found := make(map[int64]string, len(links))
	if len(links) == 0 {
		return found, nil
	}
	asked, err := tableOf("asked", "Int64", links)
	if err != nil {
		return nil, err
	}
	err = e.each(ctx, e.currentNames("link IN asked"), func(rows driver.Rows) error {
		var link int64
		var slug string
		err := rows.Scan(&link, &slug)
		found[link] = slug
		return err
	}, asked)
	return found, err
}

// linksNamed returns the links that have one of the names now.
func (e *Engine) linksNamed(ctx context.Context, slugs []string) (links []int64, err error) {
	if len(slugs) == 0 {
		return nil, nil
	}
	asked, err := tableOf("asked", "String", cleanAll(slugs))
	if err != nil {
		return nil, err
	}
	query := fmt.Sprintf("SELECT link FROM (%s) WHERE current IN asked", e.currentNames("1"))
	err = e.each(ctx, query, func(rows driver.Rows) error {
		var link int64
		err := rows.Scan(&link)
		links = append(links, link)
		return err
	}, asked)
	return links, err
}

func cleanAll(values []string) []string {
	cleaned := make([]string, len(values))
	for i, v := range values {
		cleaned[i] = clean(v)
	}
	return cleaned
}

// tableOf is a table of one column, v, that goes along with a query.
func tableOf[T int64 | string](name, kind string, values []T) (*ext.Table, error) {
	table, err := ext.NewTable(name, ext.Column("v", columnType(kind)))
	if err != nil {
		return nil, err
	}
	_, err = table.Block().Columns[0].Append(values)
	return table, err
}

// list writes numbers with commas between.
func list[T any](values []T) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(values)), ", "), "[]")
}
