package postgres

import "context"

// Migration is a step that a test adds behind the real ones.
type Migration struct {
	Name, Statement string
	CompatibleFrom  int
}

// SchemaVersion is the version that this program writes.
var SchemaVersion = len(migrations)

// OpenWith opens a store as a program with other migrations would.
func OpenWith(ctx context.Context, options Options, more ...Migration) (*Store, error) {
	all := append([]migration{}, migrations...)
	for _, m := range more {
		all = append(all, migration{name: m.Name, statement: m.Statement, compatibleFrom: m.CompatibleFrom})
	}
	return open(ctx, options, all)
}

// WriterSetting reads a setting of the connection that writes.
func (s *Store) WriterSetting(ctx context.Context, name string) (value string, err error) {
	err = s.writer.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value)
	return value, err
}
