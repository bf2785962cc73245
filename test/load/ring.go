package load

// ring is a queue of a fixed size.
type ring[T any] struct {
	slots []T
	first int
	n     int
}

func newRing[T any](size int) ring[T] { return ring[T]{slots: make([]T, size)} }

func (r *ring[T]) put(v T) {
	r.slots[(r.first+r.n)%len(r.slots)] = v
	r.n++
}

func (r *ring[T]) take() T {
	v := r.slots[r.first]
	r.first = (r.first + 1) % len(r.slots)
	r.n--
	return v
}
