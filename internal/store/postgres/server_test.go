package postgres_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is a PostgreSQL of a test's own, which it may kill and set up wrongly. It runs as another user when the test
// is root, which PostgreSQL refuses to be.
type server struct {
	t      *testing.T
	bin    string // of initdb and postgres
	folder string
	port   int
	as     *syscall.Credential
	run    *exec.Cmd
}

// ownServer makes a server whose user "locked" needs the password "se?cret", and starts it.
func ownServer(t *testing.T) *server {
	t.Helper()
	address(t) // where no engine is asked for, this one is not either
	s := &server{t: t, bin: binaries(t)}
	folder, err := os.MkdirTemp("", "sluice-postgres-") // not t.TempDir, into which nobody else may look
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if os.Getuid() == 0 {
		s.as = somebody(t)
		if err := os.Chown(folder, int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.folder = filepath.Join(folder, "data")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	if said, err := s.command("initdb", "-D", s.folder, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, said)
	}
	hba := filepath.Join(s.folder, "pg_hba.conf")
	text, err := os.ReadFile(hba)
	if err == nil {
		err = os.WriteFile(hba, append([]byte("host all locked 127.0.0.1/32 scram-sha-256\n"), text...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	s.start()
	s.exec("CREATE ROLE locked LOGIN PASSWORD 'se?cret'; CREATE SCHEMA locked AUTHORIZATION locked")
	return s
}

// binaries is the folder of the server's programs.
func binaries(t *testing.T) string {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Fatal("initdb is nowhere to be found, which the tests that kill a server need: install the server's package (Debian: postgresql)")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

func somebody(t *testing.T) *syscall.Credential {
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.ParseUint(u.Uid, 10, 32)
			gid, _ := strconv.ParseUint(u.Gid, 10, 32)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	t.Fatal("there is no user but root that PostgreSQL could run as")
	return nil
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
	return c
}

// start starts it with settings such as fsync=off, and waits until it lets somebody in.
func (s *server) start(settings ...string) {
	s.t.Helper()
	args := []string{"-D", s.folder, "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	s.run = s.command("postgres", args...)
	log, err := os.OpenFile(filepath.Join(filepath.Dir(s.folder), "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	s.run.Stdout, s.run.Stderr = log, log
	if err := s.run.Start(); err != nil {
		s.t.Fatal(err)
	}
	for range 300 {
		conn, err := pgx.Connect(context.Background(), s.url("postgres"))
		if err == nil {
			_ = conn.Close(context.Background())
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(log.Name())
	s.t.Fatalf("the server does not start:\n%s", said)
}

// kill ends all of the server at once, as a loss of power does.
func (s *server) kill() {
	if s.run == nil {
		return
	}
	_ = syscall.Kill(-s.run.Process.Pid, syscall.SIGKILL) // its children have groups of their own
	_ = s.run.Wait()
	s.run = nil
	time.Sleep(100 * time.Millisecond) // until they have noticed
}

// stop lets it end in good order.
func (s *server) stop() {
	_ = s.run.Process.Signal(syscall.SIGINT)
	_ = s.run.Wait()
	s.run = nil
}

func (s *server) url(user string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", user, s.port)
}

func (s *server) exec(statements string) {
	s.t.Helper()
	conn, err := pgx.Connect(context.Background(), s.url("postgres"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), statements); err != nil {
		s.t.Fatal(err)
	}
}

// swallow stands between a store and its server. When armed it hands what the store sends to the
// server, keeps the answer to itself, and breaks the connection.
type swallow struct {
	listener net.Listener
	server   string
	armed    chan struct{}
}

func newSwallow(t *testing.T, server string) *swallow {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &swallow{listener: listener, server: server, armed: make(chan struct{})}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.carry(conn)
		}
	}()
	return p
}

func (p *swallow) carry(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() { _, _ = io.Copy(server, client) }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-p.armed:
			return
		default:
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// through replaces host and port of an address by those of the proxy.
func (p *swallow) through(address string) string {
	_, host, _ := strings.Cut(address, "@")
	host, _, _ = strings.Cut(host, "/")
	return strings.Replace(address, host, p.listener.Addr().String(), 1)
}

// standby turns it into one that follows nobody when it is started again.
func (s *server) standby() {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, "standby.signal"), nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
}
