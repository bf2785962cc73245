package pipeline

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// standBack lowers the priority of the caller's thread and keeps the goroutine on
// it. Both stay so until the goroutine ends, and the thread with it: a process
// may not raise its priority again. A kernel that refuses leaves it as it was.
func standBack(niceness int) {
	if niceness <= 0 {
		return
	}
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) // 0 is the thread itself
}
