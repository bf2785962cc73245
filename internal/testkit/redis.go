package testkit

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// Redis is a server of a test's own, which it may kill.
type Redis struct {
	Address string // "127.0.0.1:PORT"
	dir     string
	cmd     *exec.Cmd
}

// StartRedis runs a server that keeps nothing, unless args say otherwise, until the test
// ends. Where redis-server is missing, it does as Engine does.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		Engine(t, "REDIS")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Redis{Address: free.Addr().String(), dir: t.TempDir()}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	r.Start(t, args...)
	t.Cleanup(func() { r.Kill() })
	return r
}

// Start runs the server again after Kill and waits until it accepts connections.
func (r *Redis) Start(t testing.TB, args ...string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(r.Address)
	r.cmd = exec.Command("redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--daemonize", "no"}, args...)...)
	r.cmd.Stdout, r.cmd.Stderr = nil, os.Stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", r.Address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("redis-server (%s) does not accept connections on port %s: %v", strconv.Itoa(r.cmd.Process.Pid), port, err)
		}
	}
}

// Kill ends the server as a crash does.
func (r *Redis) Kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}
