package api

import (
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// filesMax bounds how many uploads and downloads may lie on the disk at once.
const filesMax = 4

// mayKeepFile takes a place on the disk until done is called.
func (s *server) mayKeepFile() (done func(), err error) {
	select {
	case s.files <- struct{}{}:
		return func() { <-s.files }, nil
	default:
		return nil, newProblem(http.StatusServiceUnavailable, string(affiliate.Unavailable),
			"other files are being imported or exported; try again when they are done").with("Retry-After", "10")
	}
}

// tempFile makes a file without a name: it is gone when it is closed, or when the
// process dies.
func (s *server) tempFile() (*os.File, error) {
	file, err := os.CreateTemp(s.TempDir, "sluice-*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("making a temporary file: %w", err), file.Close())
	}
	return file, nil
}

func (s *server) diskFull() error {
	dir := s.TempDir
	if dir == "" {
		dir = os.TempDir()
	}
	return affiliate.Errorf(affiliate.Unavailable, "the server's disk is full; nothing was changed. Free some space in %s and try again", dir)
}
