// Package background lets work that nobody waits for stand back: visitors have the
// processor first, and the kernel decides it, which is better at that than Go's own
// scheduler.
package background
