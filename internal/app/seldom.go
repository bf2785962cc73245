package app

import (
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// seldomEvery is the least time between two lines about strangers.
const seldomEvery = time.Minute

// seldom is an error log for a server of strangers: what they do can be read at
// level debug, one line a minute, with how many there were in between.
func seldom(to *slog.Logger, now func() time.Time, what string) *log.Logger {
	return log.New(&seldomWriter{to: to, what: what, now: now}, "", 0)
}

type seldomWriter struct {
	to   *slog.Logger
	what string
	now  func() time.Time

	mu      sync.Mutex
	last    time.Time
	skipped int64
}

// Write takes one line.
func (s *seldomWriter) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !s.last.IsZero() && now.Sub(s.last) < seldomEvery {
		s.skipped++
		return len(line), nil
	}
	s.to.Debug(s.what+": "+strings.TrimSpace(string(line)), "lines left out before", s.skipped)
	s.last, s.skipped = now, 0
	return len(line), nil
}
