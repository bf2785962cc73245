package accesslog

import (
	"bytes"
	"errors"
	"io/fs"
)

// FirstLine returns how the first log that has a line begins, at most 1 KiB of it; nil when
// none has one yet.
func FirstLine(files []string) ([]byte, error) {
	for _, name := range files {
		found, err := expand(name)
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			head, err := headOfFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			line, _, whole := bytes.Cut(head, []byte{'\n'})
			if whole || len(head) == headBytesMax {
				return line, nil
			}
		}
	}
	return nil, nil
}
