package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Snapshot is a whole table in a file that changes no more, for other machines.
type Snapshot struct {
	Seq    int64 // of the last change that is in it
	Links  int64
	Format int   // version of the file's format
	Bytes  int64 // of the file
	file   *os.File
}

// Read reads the file.
func (s *Snapshot) Read(p []byte) (int, error) { return s.file.Read(p) }

// Close lets go of the file.
func (s *Snapshot) Close() error { return s.file.Close() }

// Formats are the versions of a snapshot's format that Install takes; the last is the
// one that Snapshot writes.
func Formats() (first, last int) { return baseVersionRead, baseVersion }

// Snapshot saves the current table and opens what it has saved. The caller must Close
// it. Changes wait while it saves, visitors do not.
func (h *Holder) Snapshot() (_ *Snapshot, err error) {
	if err := h.Save(); err != nil {
		return nil, err
	}
	f, err := os.Open(h.path())
	if err != nil {
		return nil, fmt.Errorf("the saved routing table cannot be opened: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	head := make([]byte, baseHeaderBytes)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("the saved routing table cannot be read: %w", err)
	}
	b, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	return &Snapshot{Seq: b.seq, Links: b.links, Format: baseVersion, Bytes: b.end, file: f}, nil
}

// Install replaces the current table, also one that knows more, by a snapshot of bytes
// bytes that another machine has made. It is checked whole before anything changes: with an
// error the current table stays. Its sender must be trusted: checksums find damage, not
// malice.
func (h *Holder) Install(r io.Reader, bytes int64) error {
	f, err := os.CreateTemp(filepath.Dir(h.path()), filepath.Base(h.path())+".new-*")
	if err != nil {
		return fmt.Errorf("the routing table cannot be written: %w", err)
	}
	received := &Rebuild{h: h, bw: &baseWriter{f: f, path: h.path()}}
	if err := received.receive(r, bytes); err != nil {
		received.Discard()
		return fmt.Errorf("a routing table was received that cannot be used: %w", err)
	}
	old, err := h.replace(received, received.bw.header.seq)
	if err == nil {
		old.letGo()
	}
	return err
}

// receive fills the file and checks it.
func (r *Rebuild) receive(from io.Reader, bytes int64) error {
	f := r.bw.f
	n, err := io.Copy(f, io.LimitReader(from, bytes+1))
	if err != nil {
		return err
	}
	if n != bytes {
		return fmt.Errorf("it has %d bytes or more instead of %d", n, bytes)
	}
	head := make([]byte, baseHeaderBytes)
	if _, err := f.ReadAt(head, 0); err != nil {
		return errors.New("it is shorter than its header")
	}
	if _, err := parseHeader(head); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	b, err := checkBase(f)
	if err != nil {
		return err
	}
	var w worldFile
	if err := json.Unmarshal(b.file[b.header.world:b.header.end], &w); err != nil {
		return err
	}
	r.world, r.bw.header = w.world(), b.header
	return f.Sync()
}

// Rewind begins the file again.
func (s *Snapshot) Rewind() error {
	_, err := s.file.Seek(0, io.SeekStart)
	return err
}
