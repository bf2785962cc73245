package sqlite

import "strings"

// where collects the conditions of a query.
type where struct {
	terms []string
	args  []any
}

func (w *where) and(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

func (w *where) empty() bool { return len(w.terms) == 0 }

func (w *where) String() string {
	if w.empty() {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// chunkRows is the number of rows that one INSERT carries: enough to make the
// call's own cost small, few enough to stay below SQLite's limit of parameters.
const chunkRows = 50

// inChunks walks n rows chunkRows at a time. The rest goes row by row, so that
// only two statements have to be prepared.
func inChunks(n int, fn func(from, to int) error) error {
	from := 0
	for ; n-from >= chunkRows; from += chunkRows {
		if err := fn(from, from+chunkRows); err != nil {
			return err
		}
	}
	for ; from < n; from++ {
		if err := fn(from, from+1); err != nil {
			return err
		}
	}
	return nil
}

// rowsOf is n placeholders of a row, separated by commas.
func rowsOf(row string, n int) string {
	if n == chunkRows {
		if full, ok := fullRows[row]; ok {
			return full
		}
	}
	return strings.TrimSuffix(strings.Repeat(row+", ", n), ", ")
}

// fullRows holds rowsOf for a whole chunk of each kind of row.
var fullRows = map[string]string{}

func init() {
	for _, row := range []string{linkRow, changeRow, entryRow, "(?, ?)"} {
		fullRows[row] = strings.TrimSuffix(strings.Repeat(row+", ", chunkRows), ", ")
	}
}
