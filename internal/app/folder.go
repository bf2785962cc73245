package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// folder is the data folder of one process:
//
//	format        version of this layout
//	lock          held by the process that uses the folder
//	sluice.sock   the command line's way in; the file's permission is the right
//	keys/         what signs the visitors' cookies
//	table/        the routing table
//	journal/N/    clicks that are not yet in the reports, a lane for each writer
//	store/        sites, programs, links, users
//	analytics/    clicks
//	certificates/ what ACME has given
//	set-aside/    what could not be read
type folder struct {
	path string
	lock *os.File
}

// folderFormat is the version of the layout, written into every folder. A program
// refuses a folder of a higher one.
const folderFormat = 1

type formatFile struct {
	Format int `json:"format"`
}

func (f *folder) at(parts ...string) string {
	return filepath.Join(append([]string{f.path}, parts...)...)
}

// openFolder creates the folder when it is missing, and takes its lock, or shares the
// predecessor's.
func openFolder(path string, before *predecessor) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be made: %w; choose another with --data", path, err)
	}
	f := &folder{path: path}
	if err := f.checkFormat(); err != nil {
		return nil, err
	}
	if before != nil {
		f.lock, before.lock = before.lock, nil // one lock, which ends when both have let go
	} else if err := f.takeLock(); err != nil {
		return nil, err
	}
	if err := f.writeFormat(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// checkFormat comes before everything else, so that a newer folder is left alone.
func (f *folder) checkFormat() error {
	b, err := os.ReadFile(f.at("format"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the data folder %s cannot be read: %w", f.path, err)
	}
	var format formatFile
	if err := json.Unmarshal(b, &format); err != nil || format.Format < 1 {
		return fmt.Errorf("%s is not Sluice's: is %s the right data folder?", f.at("format"), f.path)
	}
	if format.Format > folderFormat {
		return fmt.Errorf("the data folder %s has format %d, written by a newer Sluice; this one knows up to %d. "+
			"Run the newer version, or restore a backup made before the upgrade", f.path, format.Format, folderFormat)
	}
	return nil
}

func (f *folder) writeFormat() error {
	path := f.at("format")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	b, err := json.Marshal(formatFile{Format: folderFormat})
	if err != nil {
		return err
	}
	return f.write(path, append(b, '\n'), 0o600)
}

// write stores a small file whole or not at all.
func (f *folder) write(path string, b []byte, mode fs.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return f.unwritable(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return f.unwritable(err)
	}
	return nil
}

func (f *folder) unwritable(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the data folder %s is on a read-only disk: %w; mount it for writing or choose another with --data", f.path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the data folder %s may not be written by this user: %w", f.path, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the disk of the data folder %s is full: %w", f.path, err)
	}
	return fmt.Errorf("the data folder %s cannot be written: %w", f.path, err)
}

// ErrInUse says that another process has the data folder.
var ErrInUse = errors.New("the data folder is in use")

func (f *folder) takeLock() error {
	lock, err := os.OpenFile(f.at("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return f.unwritable(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(f.at("lock"))
		_ = lock.Close()
		return fmt.Errorf("%w: %s is used by another Sluice (process %s); stop that one, take over from it with --replace, or choose another folder with --data",
			ErrInUse, f.path, strings.TrimSpace(string(holder)))
	}
	f.lock = lock
	return f.signLock()
}

// signLock writes into the lock who holds it.
func (f *folder) signLock() error {
	if err := f.lock.Truncate(0); err != nil {
		return f.unwritable(err)
	}
	if _, err := f.lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return f.unwritable(err)
	}
	return nil
}

func (f *folder) close() error {
	if f.lock == nil {
		return nil
	}
	return f.lock.Close()
}
