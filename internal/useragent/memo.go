package useragent

import "hash/maphash"

// Memo remembers what was found in the user agents that come again and again, so
// that Classify need not walk them. It answers exactly as Classify does, belongs
// to one goroutine and never allocates after NewMemo.
//
// It is made for hostile visitors too: its memory is fixed, agents are compared
// byte for byte, and one is kept only when it comes a second time, so that a
// million different ones cost a hash each and push out nobody.
type Memo struct {
	seed maphash.Seed
	sets [memoSets]memoSet
}

const (
	memoSets     = 128
	memoWays     = 2
	memoTextsMax = 256 // bytes of the longest agent that is kept
)

// memoSet is where agents of one hash are kept.
type memoSet struct {
	ways     [memoWays]remembered
	stranger uint64 // the hash of whom it met last and does not keep
	next     uint8  // the way that makes room: not the last one asked for
}

type remembered struct {
	hash  uint64
	flags flag
	bytes uint16
	text  [memoTextsMax]byte
}

// NewMemo returns an empty memo.
func NewMemo() *Memo { return &Memo{seed: maphash.MakeSeed()} }

// Classify is the function of that name.
func (m *Memo) Classify(ua, mobileHint string) (class Device, isTool bool) {
	if len(ua) > memoTextsMax || ua == "" {
		return classOf(scan(ua), mobileHint)
	}
	hash := maphash.String(m.seed, ua)
	s := &m.sets[hash%memoSets]
	for i := range s.ways {
		if w := &s.ways[i]; w.hash == hash && string(w.text[:w.bytes]) == ua {
			s.next = uint8(memoWays - 1 - i)
			return classOf(w.flags, mobileHint)
		}
	}
	flags := scan(ua)
	if s.stranger != hash {
		s.stranger = hash
		return classOf(flags, mobileHint)
	}
	w := &s.ways[s.next]
	w.hash, w.flags, w.bytes = hash, flags, uint16(copy(w.text[:], ua))
	s.next = memoWays - 1 - s.next
	return classOf(flags, mobileHint)
}
