package routing

import (
	"io"
	"os"
	"path/filepath"
)

// successor is the log that will continue from a new base. It is made beside the
// old one while that still takes changes; only what came last is copied while
// changes wait.
type successor struct {
	f    *os.File
	seq  int64 // it continues from
	from int64 // up to where in the old log it holds its changes
	size int64
}

// succeed begins a log that continues from seq with what this one holds from an
// offset on.
func (l *changeLog) succeed(seq, from int64) (*successor, error) {
	f, err := os.CreateTemp(filepath.Dir(l.path), filepath.Base(l.path)+".new-*")
	if err != nil {
		return nil, err
	}
	s := &successor{f: f, seq: seq, from: from}
	n, err := writeLine(f, logHead{After: seq})
	if err != nil {
		s.discard()
		return nil, err
	}
	s.size = int64(n)
	return s, nil
}

// catchUp copies what the old log holds up to an offset, and makes it durable.
func (s *successor) catchUp(old *os.File, to int64) error {
	if to > s.from {
		n, err := io.Copy(s.f, io.NewSectionReader(old, s.from, to-s.from))
		s.from += n
		s.size += n
		if err != nil {
			return err
		}
		if s.from < to {
			return io.ErrUnexpectedEOF
		}
	}
	return s.f.Sync()
}

// discard gives up a successor. One that has become the log stays.
func (s *successor) discard() {
	if s.f != nil {
		_ = os.Remove(s.f.Name())
		_ = s.f.Close()
		s.f = nil
	}
}

// become puts a successor in the place of the log.
func (l *changeLog) become(s *successor) error {
	err := s.catchUp(l.f, l.size)
	if err == nil {
		err = os.Rename(s.f.Name(), l.path)
	}
	if err != nil {
		s.discard()
		return err
	}
	_ = l.f.Close() // replaced; a broken log has closed it already
	l.f, l.size, l.seq = s.f, s.size, max(l.seq, s.seq)
	s.f = nil
	return syncDir(filepath.Dir(l.path))
}

// restart begins an empty log that continues from seq.
func (l *changeLog) restart(seq int64) error {
	s, err := l.succeed(seq, l.size)
	if err != nil {
		return err
	}
	if err := l.become(s); err != nil {
		return err
	}
	l.seq = seq
	return nil
}
