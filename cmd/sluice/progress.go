package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressEvery is how often work without a terminal says how far it is.
const progressEvery = 5 * time.Second

// progress shows how far long work is: as a bar on a terminal, else as a line
// every few seconds. Nothing is shown of work that is done at once.
type progress struct {
	p     *program
	what  string
	total int64 // -1: unknown
	bytes bool
	bar   *progressbar.ProgressBar
	begun time.Time
	last  time.Time
	done  int64
}

// newProgress begins to show the work; total is -1 when it is not known.
func (p *program) newProgress(what string, total int64, bytes bool) *progress {
	now := p.now()
	g := &progress{p: p, what: what, total: total, bytes: bytes, begun: now, last: now}
	if p.errIsTerm {
		g.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.errOut), progressbar.OptionSetDescription(what),
			progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(), progressbar.OptionSpinnerType(14), progressbar.OptionSetPredictTime(total > 0))
	}
	return g
}

// at says how much is done.
func (g *progress) at(n int64) {
	g.done = n
	if g.bar != nil {
		_ = g.bar.Set64(n) // fails only past the total
		return
	}
	if now := g.p.now(); now.Sub(g.last) >= progressEvery {
		g.last = now
		g.p.notef("%s: %s", g.what, g.text())
	}
}

func (g *progress) text() string {
	amount := func(n int64) string {
		if g.bytes {
			return sized(n)
		}
		return grouped(n)
	}
	if g.total <= 0 {
		return amount(g.done)
	}
	return fmt.Sprintf("%s of %s (%d %%)", amount(g.done), amount(g.total), g.done*100/g.total)
}

// end takes the bar away.
func (g *progress) end() {
	if g.bar != nil {
		_ = g.bar.Clear() // the terminal may be gone
	}
}

// reader shows how much of r was read.
func (g *progress) reader(r io.Reader) io.Reader { return &countingReader{r: r, g: g} }

type countingReader struct {
	r io.Reader
	g *progress
	n int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.g.at(c.n)
	return n, err
}

// writer shows how much was written to w.
func (g *progress) writer(w io.Writer) io.Writer { return &countingWriter{w: w, g: g} }

type countingWriter struct {
	w io.Writer
	g *progress
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.g.at(c.n)
	return n, err
}
