package sqlite

// Pragma reads a setting of the connection that writes.
func (s *Store) Pragma(name string) (value string, err error) {
	err = s.writer.QueryRow("PRAGMA " + name).Scan(&value)
	return value, err
}
