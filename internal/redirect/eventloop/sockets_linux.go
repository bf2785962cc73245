package eventloop

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockets are the listening ones, each with an accept queue of its own. The kernel
// spreads connections over them.
type sockets struct {
	address net.Addr
	fds     []int
}

// of are the sockets of one loop: one, but for those inherited from a process with
// more loops.
func (s *sockets) of(loop, loops int) (fds []int) {
	for i := loop; i < len(s.fds); i += loops {
		fds = append(fds, s.fds[i])
	}
	return fds
}

func (s *sockets) close() {
	for _, fd := range s.fds {
		_ = unix.Close(fd)
	}
}

// listenSockets opens one socket for each loop, or takes those of an earlier process
// and adds what is missing.
func listenSockets(address string, n int, inherited []*os.File) (_ *sockets, err error) {
	s := &sockets{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, f := range inherited {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("an inherited listening socket cannot be used: %w", err)
		}
		s.fds = append(s.fds, fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, fmt.Errorf("an inherited listening socket cannot be used: %w", err)
		}
	}
	if len(s.fds) > 0 {
		s.address, err = boundAddress(s.fds[0])
	} else {
		s.address, err = probe(address)
	}
	if err != nil {
		return nil, err
	}
	for len(s.fds) < n {
		fd, err := listenShared(s.address.String())
		if err != nil {
			return nil, err
		}
		s.fds = append(s.fds, fd)
	}
	return s, nil
}

// probe finds out whether the address is free, and which port it is. Our own
// sockets share the port with whoever asks for that too, and would hide that
// another program has it.
func probe(address string) (net.Addr, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return l.Addr(), l.Close()
}

// listenShared opens one of several sockets on an address.
func listenShared(address string) (int, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlErr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(controlErr, err)
	}}
	config.SetMultipathTCP(false) // its sockets know no SO_REUSEPORT
	l, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }() // the copy listens on
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	return fd, errors.Join(unix.SetNonblock(fd, true), suitShortAnswers(fd))
}

// Buffers of a connection in the kernel, which doubles them. They hold any request
// and hundreds of answers, and keep a crowd that reads nothing from taking the
// megabytes that the kernel would let each connection grow to.
const (
	receiveBufferBytes = 32 << 10
	sendBufferBytes    = 64 << 10
)

// suitShortAnswers sets what connections inherit from their listener. An answer fits
// into one packet: there is nothing to wait for, and nothing to pace. The congestion
// control that does not pace costs the least; it is there in every kernel.
func suitShortAnswers(fd int) error {
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno"),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBufferBytes),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBufferBytes),
	)
}

func boundAddress(fd int) (net.Addr, error) {
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return nil, fmt.Errorf("an inherited socket does not listen: %w", err)
	}
	switch a := bound.(type) {
	case *unix.SockaddrInet4:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))), nil
	case *unix.SockaddrInet6:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))), nil
	}
	return nil, errors.New("an inherited socket is not a TCP socket")
}

// peerOf reads the address that accept has left.
func peerOf(from *unix.RawSockaddrAny) netip.AddrPort {
	switch from.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), bigEndian(a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), bigEndian(a.Port))
	}
	return netip.AddrPort{}
}

// bigEndian reads a port as the kernel lays it out.
func bigEndian(port uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&port))[:])
}
