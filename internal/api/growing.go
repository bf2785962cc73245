package api

import (
	"io"
	"os"
	"sync"
)

// growing is a file that is read while it is written: who reads it waits for more, and who
// writes it never waits for the reader.
type growing struct {
	file *os.File

	mu    sync.Mutex
	more  sync.Cond
	bytes int64
	ended bool
	err   error // why it is not whole
}

func newGrowing(file *os.File) *growing {
	g := &growing{file: file}
	g.more.L = &g.mu
	return g
}

// Write appends.
func (g *growing) Write(b []byte) (int, error) {
	n, err := g.file.Write(b)
	g.mu.Lock()
	g.bytes += int64(n)
	g.mu.Unlock()
	g.more.Broadcast()
	return n, err
}

// end says that no more comes, and why if it is not all.
func (g *growing) end(err error) {
	g.mu.Lock()
	g.ended, g.err = true, err
	g.mu.Unlock()
	g.more.Broadcast()
}

// copyTo copies the file from its begin, until it has ended.
func (g *growing) copyTo(w io.Writer) error {
	for at := int64(0); ; {
		to, err := g.beyond(at)
		if to == at {
			return err
		}
		if _, err := io.Copy(w, io.NewSectionReader(g.file, at, to-at)); err != nil {
			return err
		}
		at = to
	}
}

// beyond waits until there are more bytes than so many, and returns how many; as many with
// what end has said when there will be none.
func (g *growing) beyond(at int64) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.bytes == at && !g.ended {
		g.more.Wait()
	}
	if g.bytes == at {
		return at, g.err
	}
	return g.bytes, nil
}
