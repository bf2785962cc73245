package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is one that can be killed, paused and started again.
type Process struct {
	name string
	log  string
	args []string
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts it; its output is added to the log.
func (p *Process) Start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(p.cmd, p.done)
	return nil
}

// Alive says whether it runs.
func (p *Process) Alive() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends it as a crash does.
func (p *Process) Kill() {
	if p != nil && p.Alive() {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Signal sends one.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Stop ends it in good order.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(60 * time.Second):
		return fmt.Errorf("%s did not stop; its log is %s", p.name, p.log)
	}
}

// Node is a process of ours.
type Node struct {
	Listen, Admin string
	cluster       *Cluster
	process       *Process
	name, role    string
	number        int
	adminPort     int
	dir           string
}

func newNode(c *Cluster, role string, number int) *Node {
	listen := c.Port + 10 + 2*number
	n := &Node{cluster: c, role: role, number: number, name: fmt.Sprintf("%s-%d", role, number), adminPort: listen + 1,
		Listen: fmt.Sprintf("127.0.0.1:%d", listen), Admin: fmt.Sprintf("127.0.0.1:%d", listen+1)}
	n.dir = filepath.Join(c.Dir, n.name)
	n.process = &Process{name: n.name, log: filepath.Join(c.Dir, n.name+".log"),
		args: []string{c.Binary, "serve", "--config", n.configPath()}}
	if c.Separate {
		user := strconv.Itoa(n.user())
		n.process.args = append([]string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups"}, n.process.args...)
	}
	return n
}

// user is whom the process runs as, with Options.Separate.
func (n *Node) user() int { return 42000 + n.number }

func (n *Node) configPath() string { return filepath.Join(n.cluster.Dir, n.name+".yml") }

// secret is that of clusters that are there to be looked at.
const secret = "a-secret-that-only-this-machine-knows"

// envName is how the address of an engine is called.
func envName(engine string) string { return strings.ToUpper(strings.ReplaceAll(engine, "-", "_")) }

func (n *Node) configure() error {
	e := n.cluster.engines
	broker := e[envName(n.cluster.Broker)]
	clicksCluster := ""
	if n.cluster.Replicas {
		clicksCluster = "main" // as the engine's script has it
	}
	text := fmt.Sprintf(`data: %s
listen: %s
admin: %s
role: %s
node: %d
loops: 1
public_url: http://%s
trusted_proxies: [127.0.0.0/8]
log: {level: info}
cookie: {insecure: true}
journal: {segment_bytes: 1MiB, max_bytes: 256MiB}
store: {engine: postgres, url: "%s", connections: 8}
queue: {engine: %s, url: "%s", partitions: %d}
analytics: {engine: clickhouse, url: "%s", database: sluice, cluster: %q}
distribution: {engine: redis, url: "%s"}
cluster: {secret: %s}
shutdown_timeout: 10s
`, n.dir, n.Listen, n.Admin, n.role, n.number, n.cluster.Visitors(), e["POSTGRES"], n.cluster.Broker, broker, n.cluster.Sources,
		e[envName(n.cluster.clicksEngine())], clicksCluster, e["REDIS_CLUSTER"], secret)
	if err := os.WriteFile(n.configPath(), []byte(text), 0o600); err != nil || !n.cluster.Separate {
		return err
	}
	return errors.Join(os.MkdirAll(n.dir, 0o700), os.Chown(n.dir, n.user(), n.user()), os.Chown(n.configPath(), n.user(), n.user()))
}

// Start starts the node.
func (n *Node) Start() error { return n.process.Start() }

// Ready waits until the node says that it can work.
func (n *Node) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	for {
		status, _, err := n.get(ctx, "/readyz")
		if err == nil && status == http.StatusOK {
			return nil
		}
		if !n.process.Alive() {
			return fmt.Errorf("%s ended:\n%s", n.name, n.Tail())
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", n.name, errTimeout, n.Tail())
		}
	}
}

// Tail is the end of the node's log.
func (n *Node) Tail() string {
	b, _ := os.ReadFile(n.process.log)
	return string(b[max(len(b)-3000, 0):])
}

func (n *Node) get(ctx context.Context, path string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Admin+path, nil)
	if err != nil {
		return 0, nil, err
	}
	client := &http.Client{Timeout: 5 * time.Second}
	res, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// API calls a control node over the socket in its folder, as an operator.
func (n *Node) API(ctx context.Context, method, path string, body, into any) error {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return err
		}
	}
	return n.Stream(ctx, method, path, &b, "application/json", func(r io.Reader) error {
		if into == nil {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		return json.NewDecoder(r).Decode(into)
	})
}

// Stream is API for what is large.
func (n *Node) Stream(ctx context.Context, method, path string, body io.Reader, kind string, read func(io.Reader) error) error {
	client := &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(n.dir, "sluice.sock"))
	}}}
	r, err := http.NewRequestWithContext(ctx, method, "http://sluice"+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 2000))
		return fmt.Errorf("%s %s of %s: %s: %s", method, path, n.name, res.Status, text)
	}
	return read(res.Body)
}

// waitDial waits until something accepts connections.
func waitDial(address string, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}
