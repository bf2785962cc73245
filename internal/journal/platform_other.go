//go:build unix && !linux

package journal

import "os"

// preallocate writes the whole file, since the reserving calls of these systems
// differ and do not all reserve.
func preallocate(f *os.File, size int64) error { return writeZeros(f, size) }

// populate takes the page faults of the first write to each page now, instead of in
// the visitor's request.
func populate(b []byte) error { return touch(b) }

// warm does nothing: preallocate has written every page.
func warm(*os.File, int64) error { return nil }

// forget leaves the page cache to the system.
func forget(*os.File) {}
