package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockFolder makes the caller the folder's only writer. The lock is the kernel's: it
// ends with the process, however that ends. The file holds the writer's process id from Open to
// Close: clean tells that the last writer closed the journal.
func lockFolder(dir string) (f *os.File, clean bool, err error) {
	path := filepath.Join(dir, lockFile)
	content, err := os.ReadFile(path)
	clean = err == nil && len(content) == 0
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, false, fmt.Errorf("journal: lock the folder: %w", err)
	}
	if err := flock(f); err != nil {
		holder := holderOf(path)
		return nil, false, errors.Join(fmt.Errorf("%w: %s%s; stop it, or choose another folder", ErrLocked, dir, holder), f.Close())
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil && !isSpace(err) {
		return nil, false, errors.Join(fmt.Errorf("journal: lock the folder: %w", err), f.Close())
	}
	return f, clean, nil
}

// unlock gives the folder back. all says that everything in it is on the disk.
func unlock(f *os.File, all bool) error {
	var err error
	if all {
		err = f.Truncate(0)
	}
	return errors.Join(err, f.Close())
}

// flock tries for a moment, because inUse holds the lock for one.
func flock(f *os.File) error {
	var err error
	for range 5 {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

func holderOf(path string) string {
	b, err := os.ReadFile(path)
	pid := strings.TrimSpace(string(b))
	if err != nil || pid == "" {
		return ""
	}
	return " (process " + pid + ")"
}

// inUse reports whether a writer has the folder now.
func inUse(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // gives the lock back
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
}
