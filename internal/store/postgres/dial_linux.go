package postgres

import "syscall"

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h: how long, in ms, data may wait for its acknowledgement. Keep-alives
// are not sent meanwhile, and without it the kernel would try for a quarter of an hour.
const tcpUserTimeout = 18

// control sets a connection up so that a question into the void ends within silenceMost.
func control(_, _ string, conn syscall.RawConn) (err error) {
	failed := conn.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(silenceMost.Milliseconds()))
	})
	if failed != nil {
		return failed
	}
	return err
}
