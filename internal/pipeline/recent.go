package pipeline

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// uniqueWindow is how long a visitor's click on a link makes later ones repeats.
const uniqueWindow = 24 * time.Hour

// lateAfter is how old a click from elsewhere is when memory alone cannot tell any more
// whether it is a first visit; rememberedFor is what memory has to hold until then.
const (
	lateAfter     = time.Hour
	rememberedFor = uniqueWindow + lateAfter
)

// recent remembers who visited which link in the last day, in eight bytes each: an
// open-addressing table of the upper 43 bits of a hash and the minute. Two visits
// are taken for one with a probability of about entries / 2^43.
type recent struct {
	mu      sync.Mutex
	slots   []uint64 // hash &^ minuteMask | minute; 0 is empty
	used    int
	longest int64 // minutes an entry is kept; shortened when recentMax is reached
}

const (
	minuteBits = 21
	minuteMask = 1<<minuteBits - 1
	recentMin  = 1 << 12
	// recentMax bounds the memory: 16 Mi slots of eight bytes, 12 million visits.
	// Beyond it the oldest are forgotten before their day is over and may be
	// counted as unique again.
	recentMax = 1 << 24
)

func newRecent() *recent {
	return &recent{slots: make([]uint64, recentMin), longest: int64(rememberedFor / time.Minute)}
}

// forget empties the memory.
func (r *recent) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.slots)
	r.used = 0
}

// window is uniqueWindow in minutes, or less when memory is short.
func (r *recent) window() int64 { return min(r.longest, int64(uniqueWindow/time.Minute)) }

// first says whether this is the visitor's first click on the link within
// uniqueWindow, and remembers it if so. One that is older than what is remembered does
// not take its place: the clicks to come are held against the newest.
func (r *recent) first(visitor affiliate.VisitorID, link int64, at time.Time) bool {
	h := visitHash(visitor, link)
	minute := (at.Unix() / 60) & minuteMask
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used*4 >= len(r.slots)*3 {
		r.resize(minute)
	}
	mask := uint64(len(r.slots) - 1)
	for i := home(h) & mask; ; i = (i + 1) & mask {
		slot := r.slots[i]
		if slot == 0 {
			r.slots[i] = h&^minuteMask | uint64(minute)
			r.used++
			return true
		}
		if slot&^minuteMask != h&^minuteMask {
			continue
		}
		age := minute - int64(slot&minuteMask)
		if window := r.window(); -window < age && age < window {
			return false
		}
		if age > 0 {
			r.slots[i] = h&^minuteMask | uint64(minute)
		}
		return true
	}
}

// near says whether a first visit within uniqueWindow is remembered; it remembers nothing.
func (r *recent) near(visitor affiliate.VisitorID, link int64, at time.Time) bool {
	h := visitHash(visitor, link)
	minute := (at.Unix() / 60) & minuteMask
	r.mu.Lock()
	defer r.mu.Unlock()
	mask := uint64(len(r.slots) - 1)
	for i := home(h) & mask; r.slots[i] != 0; i = (i + 1) & mask {
		if slot := r.slots[i]; slot&^minuteMask == h&^minuteMask {
			age := minute - int64(slot&minuteMask)
			return -r.window() < age && age < r.window()
		}
	}
	return false
}

// resize drops what is older than a day and makes room for what is left.
func (r *recent) resize(now int64) {
	old := r.slots
	kept := 0
	for _, slot := range old {
		if r.keeps(slot, now) {
			kept++
		}
	}
	for size := len(old); ; size *= 2 {
		if kept*2 > size && size < recentMax {
			continue
		}
		r.slots = make([]uint64, size)
		break
	}
	if kept*4 >= len(r.slots)*3 {
		r.longest /= 2
		r.resize(now)
		return
	}
	r.used = 0
	for _, slot := range old {
		if r.keeps(slot, now) {
			r.put(slot)
		}
	}
}

func (r *recent) keeps(slot uint64, now int64) bool {
	return slot != 0 && now-int64(slot&minuteMask) < r.longest
}

// put re-enters a slot. The low bits of its hash are gone with the minute, so
// entries hash by the bits that every slot keeps.
func (r *recent) put(slot uint64) {
	mask := uint64(len(r.slots) - 1)
	for i := home(slot) & mask; ; i = (i + 1) & mask {
		if r.slots[i] == 0 {
			r.slots[i] = slot
			r.used++
			return
		}
	}
}

// home is where an entry's probing begins: a mix of the bits above the minute.
func home(h uint64) uint64 {
	h = h >> minuteBits * 0x9e3779b97f4a7c15
	return h ^ h>>32
}

func visitHash(visitor affiliate.VisitorID, link int64) uint64 {
	h := binary.LittleEndian.Uint64(visitor[:8]) * 0xa0761d6478bd642f
	h = (h ^ h>>29 ^ binary.LittleEndian.Uint64(visitor[8:])) * 0xe7037ed1a0b428db
	h = (h ^ h>>31 ^ uint64(link)) * 0x8ebc6af09c88c6e3
	return (h ^ h>>32) | 1<<63 // never the empty slot
}
