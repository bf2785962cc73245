package accesslog

import (
	"bytes"
	"errors"
	"io/fs"
)

// FirstLine returns how the first log that has a line begins, or else a rotated one of it, at most 1 KiB of it; nil when
// none has one yet.
func FirstLine(files []string) ([]byte, error) {
	for _, name := range files {
		found, err := expand(name)
		if err != nil {
			return nil, err
		}
		// It may have been rotated just now; its fellows are written in the same way.
		fellows, err := expand(escapeGlob(name) + "[.\\-]*")
		if err != nil {
			return nil, err
		}
		for _, path := range append(found, fellows...) {
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
