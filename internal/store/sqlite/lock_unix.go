//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/store"
)

// lockFile takes the lock that keeps other processes out and writes our number
// into it. The lock goes away with the process, however it ends; the file stays.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, openFailure(path, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = &store.Failure{Place: strings.TrimSuffix(path, ".lock"), Err: fmt.Errorf("%w%s", store.ErrInUse, holder(f)),
			Hint: "stop that one first, or give this one another data folder"}
		return nil, errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, errors.Join(&store.Failure{Place: path, Err: err}, f.Close())
	}
	// The number is only for the message above; failing to write it harms nobody.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(fmt.Sprintf("%d\n", os.Getpid())), 0)
	}
	return f, nil
}

// holder names the process that has the lock.
func holder(f *os.File) string {
	var b [32]byte
	n, _ := f.ReadAt(b[:], 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}
