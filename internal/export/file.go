package export

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes a file aside and puts it in place when it is complete and on the disk: whoever
// reads it has the former one or this one, each whole.
func WriteFile(path string, mode fs.FileMode, write func(*bufio.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what is incomplete is of no use
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	if err == nil {
		err = errors.Join(w.Flush(), f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
