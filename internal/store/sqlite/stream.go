package sqlite

import (
	"database/sql"
	"errors"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// A long list of links spends most of its time in decoding documents. stream reads
// the rows in one goroutine, decodes portions of them in a few others, and hands
// the links out in order in the caller's.

const (
	streamRows  = 256 // rows in a portion
	streamAhead = 4   // portions decoded ahead, and so at a time
)

// portion is a run of rows on its way.
type portion struct {
	bodies  []byte // one after the other
	ends    []int
	links   []affiliate.Link
	err     error
	decoded chan struct{}
}

var errStopped = errors.New("nobody wants more rows")

func (l links) stream(query string, args []any, fn func(affiliate.Link) error) (err error) {
	portions := make(chan *portion, streamAhead-1)
	stop, done := make(chan struct{}), make(chan struct{})
	var readErr error // of the goroutine, until done is closed
	go func() {
		defer close(done)
		defer close(portions)
		readErr = l.readPortions(query, args, portions, stop)
	}()
	defer func() { // also when fn panics: the transaction is the caller's again
		close(stop)
		if <-done; err == nil {
			err = readErr
		}
	}()
	return handOut(portions, fn)
}

// handOut calls fn with the links of each portion.
func handOut(portions <-chan *portion, fn func(affiliate.Link) error) error {
	for p := range portions {
		<-p.decoded
		for i := range p.links {
			if err := fn(p.links[i]); err != nil {
				return err
			}
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

func (l links) readPortions(query string, args []any, portions chan<- *portion, stop <-chan struct{}) error {
	p := &portion{}
	send := func() error {
		sent := p
		sent.decoded = make(chan struct{})
		p = &portion{}
		select {
		case portions <- sent:
			go l.decodePortion(sent)
			return nil
		case <-stop:
			return errStopped
		}
	}
	var body sql.RawBytes
	err := l.t.each(query, args, func(rows *sql.Rows) error {
		if err := rows.Scan(&body); err != nil {
			return err
		}
		p.bodies = append(p.bodies, body...)
		if p.ends = append(p.ends, len(p.bodies)); len(p.ends) == streamRows {
			return send()
		}
		return nil
	})
	if err == nil && len(p.ends) > 0 {
		err = send()
	}
	return err
}

func (l links) decodePortion(p *portion) {
	defer close(p.decoded)
	p.links = make([]affiliate.Link, 0, len(p.ends))
	from := 0
	for _, end := range p.ends {
		link, err := engine.DecodeLink(l.t.store.path, p.bodies[from:end])
		if err != nil {
			p.err = err
			return
		}
		p.links = append(p.links, link)
		from = end
	}
	p.bodies = nil
}
