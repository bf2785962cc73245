package routing

import "maps"

// shardCount is how many parts the overlay is cut into. A change copies one part.
const shardCount = 256

// name is the key of a link.
type name struct {
	site uint16
	slug string
}

// shards is a persistent map from names to values: set returns a new map and
// leaves the old one as it was.
type shards[V any] struct {
	parts *[shardCount]map[name]V
}

func (s shards[V]) get(hash uint64, site uint16, slug string) (v V, ok bool) {
	if s.parts == nil {
		return v, false
	}
	v, ok = s.parts[hash%shardCount][name{site, slug}]
	return v, ok
}

func (s shards[V]) each(fn func(name, V)) {
	if s.parts == nil {
		return
	}
	for _, part := range s.parts {
		for k, v := range part {
			fn(k, v)
		}
	}
}

// edit collects changes to a map and copies each touched part once.
type edit[V any] struct {
	parts *[shardCount]map[name]V
	owned [shardCount]bool
	added int
}

func (s shards[V]) edit() *edit[V] {
	e := &edit[V]{parts: new([shardCount]map[name]V)}
	if s.parts != nil {
		*e.parts = *s.parts
	}
	return e
}

func (e *edit[V]) set(hash uint64, site uint16, slug string, v V) {
	part := e.own(hash)
	key := name{site, slug}
	if _, ok := part[key]; !ok {
		e.added++
	}
	part[key] = v
}

func (e *edit[V]) remove(hash uint64, site uint16, slug string) {
	delete(e.own(hash), name{site, slug})
}

// own returns the part of a hash, copied at the first touch.
func (e *edit[V]) own(hash uint64) map[name]V {
	i := hash % shardCount
	if !e.owned[i] {
		e.owned[i] = true
		e.parts[i] = maps.Clone(e.parts[i])
		if e.parts[i] == nil {
			e.parts[i] = map[name]V{}
		}
	}
	return e.parts[i]
}

func (e *edit[V]) get(hash uint64, site uint16, slug string) (V, bool) {
	return shards[V]{e.parts}.get(hash, site, slug)
}

func (e *edit[V]) done() shards[V] { return shards[V]{e.parts} }
