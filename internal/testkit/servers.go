package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Servers are engines that scripts/engines.sh runs for one user alone, who may break them.
type Servers struct {
	Root string // the working copy
	Dir  string // their data; engines.env there has their addresses
	Port int    // from which on they listen, up to 100 of them
}

// OwnServers starts engines of the test's own, on free ports, and ends them with it. Where
// the tests of a kind of engine are skipped, such as kafka of kafka-cluster, so are these.
func OwnServers(t testing.TB, names ...string) *Servers {
	t.Helper()
	for _, name := range names {
		kind, _, _ := strings.Cut(name, "-")
		Engine(t, kind)
	}
	s := &Servers{Root: workingCopy(), Dir: t.TempDir(), Port: freePorts(t)}
	t.Cleanup(func() {
		if err := s.Do("kill", names...); err != nil {
			t.Error(err)
		}
	})
	if err := s.Do("start", names...); err != nil {
		t.Fatal(err)
	}
	return s
}

// freePorts finds a hundred ports, below those that the system gives to clients, of which
// none is in use.
func freePorts(t testing.TB) int {
	for range 50 {
		port := 23_000 + 100*rand.N(90)
		free := true
		for at := port; at < port+100 && free; at++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", at))
			if free = err == nil; free {
				_ = l.Close() // it was only tried
			}
		}
		if free {
			return port
		}
	}
	t.Fatal("no hundred free ports in a row between 23000 and 32000")
	return 0
}

// Do does something to engines: start, stop or kill. What runs is not started again, and
// what is started again has its data.
func (s *Servers) Do(verb string, names ...string) error {
	cmd := exec.Command(filepath.Join(s.Root, "scripts", "engines.sh"), append([]string{verb}, names...)...)
	cmd.Env = append(os.Environ(), "SLUICE_ENGINES_DIR="+filepath.Join(s.Dir, "engines"), fmt.Sprintf("SLUICE_ENGINES_PORT=%d", s.Port),
		"SLUICE_ENGINES_ENV="+s.envFile(), "SLUICE_ENGINES_KEEP=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("scripts/engines.sh %s %s: %w\n%s", verb, strings.Join(names, " "), err, out)
	}
	return nil
}

// Pid is that of an engine, or of one process of it, by its folder: "kafka-cluster/23042".
func (s *Servers) Pid(process string) (int, error) {
	text, err := os.ReadFile(filepath.Join(s.Dir, "engines", process, "pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// Signal sends a signal to a process that Pid finds.
func (s *Servers) Signal(process string, signal syscall.Signal) error {
	pid, err := s.Pid(process)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, signal)
}

func (s *Servers) envFile() string { return filepath.Join(s.Dir, "engines.env") }

// Addresses are those of the engines that run, by their names in capitals, as Engine has them.
func (s *Servers) Addresses() (map[string]string, error) {
	b, err := os.ReadFile(s.envFile())
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			all[strings.TrimPrefix(name, "SLUICE_TEST_")] = value
		}
	}
	return all, nil
}
