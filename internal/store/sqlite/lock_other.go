//go:build !unix

package sqlite

import "os"

// lockFile opens the lock file; where there is no flock, SQLite's own locks have
// to do.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, openFailure(path, err)
	}
	return f, nil
}
