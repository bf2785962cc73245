package routing

import (
	"errors"
	"runtime"
	"sync/atomic"
)

// pace cuts the long work of writing a base into steps and gives way between them.
// Go takes a processor from a busy goroutine only after 10 ms; the visitors that
// wait for it meanwhile shall wait for one step.
type pace struct {
	pause func()
	work  int // since the last pause
	mode  atomic.Int32
}

const (
	// workPerStep is how many links are copied or indexed in one step, which takes
	// about a millisecond. Between two busy event loops a step has its turn every
	// 10 ms or so: shorter ones would make a merge of ten million links take minutes.
	workPerStep = 8192
	// workPerChunk is what a chunk on its way to the file counts for.
	workPerChunk = workPerStep / 4
)

// What becomes of the work.
const (
	steady    int32 = iota
	hurried         // somebody waits for it
	abandoned       // nobody needs it any more
)

var errAbandoned = errors.New("it is not needed any more")

func newPace(pause func()) *pace {
	if pause == nil {
		pause = runtime.Gosched
	}
	return &pace{pause: pause}
}

// did counts work and pauses when it makes up a step. An error means that the work
// is to be given up.
func (p *pace) did(work int) error {
	if p.work += work; p.work < workPerStep {
		return nil
	}
	return p.rest()
}

func (p *pace) rest() error {
	p.work = 0
	switch p.mode.Load() {
	case abandoned:
		return errAbandoned
	case hurried:
		runtime.Gosched()
	default:
		p.pause()
	}
	return nil
}

func (p *pace) hurry() { p.mode.CompareAndSwap(steady, hurried) }

func (p *pace) abandon() { p.mode.Store(abandoned) }
