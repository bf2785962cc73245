package postgres

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sluicehq/sluice/internal/store/engine"
)

// where collects the conditions of a query and numbers their arguments.
type where struct {
	terms []string
	args  []any
}

// and adds a condition, in which each ? stands for an argument.
func (w *where) and(term string, args ...any) {
	for _, arg := range args {
		w.args = append(w.args, arg)
		term = strings.Replace(term, "?", "$"+strconv.Itoa(len(w.args)), 1)
	}
	w.terms = append(w.terms, term)
}

// limit adds the end of a list.
func (w *where) limit(n int) string {
	w.args = append(w.args, int64(n))
	return " LIMIT $" + strconv.Itoa(len(w.args))
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// raw is a text as the column keeps it.
func raw[S ~string](s S) []byte { return []byte(s) }

// raws are the texts of a column.
func raws[T any](batch []T, text func(*T) string) [][]byte {
	all := make([][]byte, len(batch))
	for i := range batch {
		all[i] = []byte(text(&batch[i]))
	}
	return all
}

// numbers are the numbers of a column.
func numbers[T any](batch []T, number func(*T) int64) []int64 {
	all := make([]int64, len(batch))
	for i := range batch {
		all[i] = number(&batch[i])
	}
	return all
}

// blob is a copy of a document, NULL for an empty one.
func blob(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

// text scans a column of text.
type text[S ~string] struct{ to *S }

func (t text[S]) ScanBytes(v []byte) error {
	*t.to = S(v)
	return nil
}

// to is a destination for a column of text.
func to[S ~string](s *S) text[S] { return text[S]{s} }

// body scans a document into memory of its own, nil for NULL.
type body struct{ to *json.RawMessage }

func (b body) ScanBytes(v []byte) error {
	*b.to = bytes.Clone(v)
	return nil
}

// moment scans a Unix millisecond into a time.
type moment struct{ t *time.Time }

func (m moment) ScanInt64(v pgtype.Int8) error {
	*m.t = engine.Instant(v.Int64)
	return nil
}

// startsWith chooses the rows whose column starts with a prefix, by the index of the column.
func (w *where) startsWith(column, prefix string) {
	w.and(column+" >= ?", raw(prefix))
	if end := engine.PrefixEnd(prefix); end != "" {
		w.and(column+" < ?", raw(end))
	}
}

// contains chooses the rows whose column has a text within.
func (w *where) contains(column, text string) {
	w.and(column+" LIKE ?", raw(engine.LikeWithin(text)))
}
