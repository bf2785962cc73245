package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is a running "sluice serve".
type server struct {
	data   string
	links  string // "127.0.0.1:PORT" that visitors reach
	cmd    *exec.Cmd
	began  time.Time
	said   bytes.Buffer // read it after ended is closed
	ended  chan struct{}
	client http.Client
}

// start starts the program on a processor, or anywhere, and waits for nothing. The
// caller must kill it.
func (b *bench) start(data string, on int, arguments ...string) (*server, error) {
	links, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{data: data, links: links, ended: make(chan struct{})}
	s.client.Timeout = 2 * time.Minute
	s.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(data, "sluice.sock"))
	}}
	s.cmd = pinned(context.Background(), on, append([]string{b.program, "serve", "--data", data, "--listen", links, "--admin", "127.0.0.1:0"}, arguments...)...)
	s.cmd.Stdout, s.cmd.Stderr = &s.said, &s.said
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // the process state says how it ended
		close(s.ended)
	}()
	return s, nil
}

// open starts the program and waits until its back office answers.
func (b *bench) open(ctx context.Context, data string) (*server, error) {
	s, err := b.start(data, anywhere)
	if err != nil {
		return nil, err
	}
	if err := s.poll(ctx, time.Minute, 2*time.Millisecond, "the API", func() bool { return s.api(ctx, "GET", "/api/v1/status", nil, nil) == nil }); err != nil {
		s.kill()
		return nil, err
	}
	return s, nil
}

// freeAddress is a port that nobody has now: the time to the first redirect can
// then be taken without reading what the program prints.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// poll waits for something that cannot be awaited.
func (s *server) poll(ctx context.Context, limit, interval time.Duration, what string, there func() bool) error {
	deadline := time.Now().Add(limit)
	for !there() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ended:
			return fmt.Errorf("the server ended (%s):\n%s", s.cmd.ProcessState, &s.said)
		case <-time.After(interval):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s did not come within %s", what, limit)
		}
	}
	return nil
}

// kill ends the server as a crash does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.ended
	s.client.CloseIdleConnections()
}

// stop ends the server in good order.
func (s *server) stop() error {
	defer s.kill()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		return fmt.Errorf("the server did not stop within a minute")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the server stopped with exit code %d:\n%s", code, &s.said)
	}
	return nil
}

// api calls the API as the operator of this machine.
func (s *server) api(ctx context.Context, method, path string, body, into any) error {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://sluice"+path, &b)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it has been read
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", method, path, res.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// drained waits until every recorded click is in the reports.
func (s *server) drained(ctx context.Context) error {
	return s.reported(ctx, 0)
}

// reported waits until nothing is left in the journal and at least so many clicks
// are in the reports. A server that has just started does not know yet what its
// journal holds and says that nothing waits, hence the count.
func (s *server) reported(ctx context.Context, clicks int) error {
	return s.poll(ctx, 10*time.Minute, 200*time.Millisecond, "an empty journal", func() bool {
		var status struct {
			Pipeline  *struct{ Records, Bytes int64 }
			Analytics *struct{ Clicks int64 }
		}
		err := s.api(ctx, "GET", "/api/v1/status", nil, &status)
		return err == nil && status.Pipeline != nil && status.Pipeline.Records == 0 && status.Pipeline.Bytes == 0 &&
			status.Analytics != nil && status.Analytics.Clicks >= int64(clicks)
	})
}

func (s *server) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), name)
}

// memory is what the kernel counts for a process, in MiB.
type memory struct {
	peak  float64 // since the start, or forgetPeak
	now   float64
	anon  float64 // of now: its own
	files float64 // of now: mapped files, which the kernel can take back; and shared memory
}

func readMemory(status string) (m memory) {
	mebibytes := func(name string) float64 {
		n, _ := strconv.ParseFloat(strings.TrimSuffix(field(status, name), " kB"), 64)
		return n / 1024
	}
	return memory{mebibytes("VmHWM:"), mebibytes("VmRSS:"), mebibytes("RssAnon:"), mebibytes("RssFile:") + mebibytes("RssShmem:")}
}

func (s *server) memory() memory { return readMemory(s.proc("status")) }

// forgetPeak makes the peak begin again at what there is now.
func (s *server) forgetPeak() error { return os.WriteFile(s.proc("clear_refs"), []byte("5"), 0) }

// watch follows the memory from outside until the function it returns is called,
// which returns the kernel's peak and how the largest state that was seen was made up.
func (s *server) watch() (done func() memory) {
	stop := make(chan struct{})
	var largest memory
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			if m := s.memory(); m.now > largest.now {
				largest = m
			}
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() memory {
		close(stop)
		watching.Wait()
		largest.peak = s.memory().peak
		return largest
	}
}

// processor is the time that the server has had of all processors.
func (s *server) processor() time.Duration { return treeProcessor(s.cmd.Process.Pid) }
