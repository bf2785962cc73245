//go:build !linux

package background

// StandBack has no effect here.
func StandBack(int) {}
