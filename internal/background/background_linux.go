package background

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// turn is for how long the kernel lets the thread work while others wait, from
// Linux 6.12 on; without it, some 3 ms.
const turn = 100 * time.Microsecond

// StandBack lowers the priority of the caller's thread and keeps the goroutine on
// it. Both stay so until the goroutine ends, and the thread with it: a process
// may not raise its priority again. A kernel that refuses leaves it as it was.
func StandBack(niceness int) {
	if niceness <= 0 {
		return
	}
	runtime.LockOSThread()
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: int32(niceness), Runtime: uint64(turn)}
	if unix.SchedSetAttr(0, &attr, 0) != nil { // 0 is the thread itself
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
	}
}
