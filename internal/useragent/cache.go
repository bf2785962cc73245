package useragent

import (
	"hash/maphash"
	"sync"
)

// cache keeps answers by user agent, bounded in entries and in bytes. It is cut
// into shards so that workers seldom wait for each other. What was asked for
// since the hand last passed stays; the rest makes room, oldest first.
type cache struct {
	seed   maphash.Seed
	shards []shard
}

const (
	shardsMax = 16
	// entryBytes is what an entry takes beside its user agent: the slot, its place
	// in the map, and the short strings of the answer.
	entryBytes = 320
)

type shard struct {
	mu         sync.Mutex
	slots      []slot
	byAgent    map[string]int32
	free       []int32
	hand       int
	bytes      int
	entriesMax int
	bytesMax   int
	_          [32]byte // keeps neighbours out of one cache line
}

type slot struct {
	ua    string
	agent Agent
	held  bool // in use
	asked bool // since the hand last passed
}

func newCache(entriesMax, bytesMax int) *cache {
	n := max(1, min(shardsMax, entriesMax/64))
	c := &cache{seed: maphash.MakeSeed(), shards: make([]shard, n)}
	for i := range c.shards {
		c.shards[i] = shard{byAgent: make(map[string]int32), entriesMax: max(1, entriesMax/n), bytesMax: bytesMax / n}
	}
	return c
}

func (c *cache) shard(ua string) *shard {
	return &c.shards[maphash.String(c.seed, ua)%uint64(len(c.shards))]
}

func (c *cache) find(ua string) (Agent, bool) {
	s := c.shard(ua)
	s.mu.Lock()
	at, ok := s.byAgent[ua]
	if !ok {
		s.mu.Unlock()
		return Agent{}, false
	}
	found := &s.slots[at]
	found.asked = true
	agent := found.agent
	s.mu.Unlock()
	return agent, true
}

// add keeps an answer, unless it alone is larger than a shard may be.
func (c *cache) add(ua string, agent Agent) {
	s := c.shard(ua)
	size := len(ua) + entryBytes
	if size > s.bytesMax {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.byAgent[ua]; ok { // another worker met it too
		return
	}
	for len(s.byAgent) >= s.entriesMax || s.bytes+size > s.bytesMax {
		s.evict()
	}
	at := s.place()
	s.slots[at] = slot{ua: ua, agent: agent, held: true}
	s.byAgent[ua] = at
	s.bytes += size
}

// place returns an empty slot.
func (s *shard) place() int32 {
	if n := len(s.free); n > 0 {
		at := s.free[n-1]
		s.free = s.free[:n-1]
		return at
	}
	s.slots = append(s.slots, slot{})
	return int32(len(s.slots) - 1)
}

// evict moves the hand to the next entry that nobody asked for and drops it. It
// is called only when there is an entry.
func (s *shard) evict() {
	for {
		at := s.hand
		s.hand = (s.hand + 1) % len(s.slots)
		candidate := &s.slots[at]
		if !candidate.held {
			continue
		}
		if candidate.asked {
			candidate.asked = false
			continue
		}
		delete(s.byAgent, candidate.ua)
		s.bytes -= len(candidate.ua) + entryBytes
		*candidate = slot{}
		s.free = append(s.free, int32(at))
		return
	}
}
