package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sluicehq/sluice/test/load"
)

// nginx answers the same links from a map, as fast as nginx can: one worker, and a
// log that is written 64 KiB at a time. Nothing of it is dynamic; a click's id, a
// cookie and a record that survives it are not to be had this way.
type nginx struct {
	address string
	log     string
	cmd     *exec.Cmd
	said    bytes.Buffer // read it after ended is closed
	ended   chan struct{}
}

const nginxSettings = `daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr;
events { worker_connections 4096; }
http {
	map_hash_max_size %[2]d;
	map_hash_bucket_size 256;
	map $uri $target {
		include %[1]s/map;
		default "";
	}
	log_format visits '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';
	access_log %[1]s/access.log visits buffer=64k flush=1s;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_requests 1000000000;
	keepalive_timeout 75s;
	server {
		listen %[3]s;
		location / { return 302 $target; }
	}
}
`

// placeholder stands where Sluice writes a click's id: nginx's answers are as long.
const placeholder = "0123456789abcdefghjkmnpq"

// startNginx starts nginx with so many links, and sees that it leads where it
// should before anything is measured.
func (b *bench) startNginx(ctx context.Context, on, links int) (*nginx, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return nil, fmt.Errorf("nginx is missing: %w; install it (Debian: apt-get install nginx-light)", err)
		}
	}
	dir := filepath.Join(b.dir, fmt.Sprintf("nginx-%d", links))
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := writeMap(filepath.Join(dir, "map"), links); err != nil {
		return nil, err
	}
	slots := 2048
	for slots < links*5/2 {
		slots *= 2
	}
	settings := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(settings, fmt.Appendf(nil, nginxSettings, dir, slots, address), 0o644); err != nil {
		return nil, err
	}
	n := &nginx{address: address, log: filepath.Join(dir, "access.log"), ended: make(chan struct{})}
	n.cmd = pinned(ctx, on, path, "-p", dir, "-c", settings, "-e", "stderr")
	n.cmd.Cancel = func() error { return n.cmd.Process.Signal(syscall.SIGTERM) } // and it ends its worker
	n.cmd.WaitDelay = 10 * time.Second
	n.cmd.Stdout, n.cmd.Stderr = &n.said, &n.said
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = n.cmd.Wait() // what it said is more telling
		close(n.ended)
	}()
	if err := n.check(ctx, links); err != nil {
		return nil, errors.Join(err, n.stop())
	}
	return n, nil
}

// writeMap writes the links as nginx reads them.
func writeMap(path string, links int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	var line []byte
	for i := range links {
		line = load.AppendSlug(append(line[:0], "/go/"...), i)
		line = load.AppendTarget(append(line, " \""...), i, placeholder)
		_, _ = w.Write(append(line, "\";\n"...)) // the error stays with w
	}
	return w.Flush()
}

// check waits until nginx answers, and compares a few answers with what was asked
// of it.
func (n *nginx) check(ctx context.Context, links int) error {
	client := http.Client{Timeout: time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", n.address, time.Second)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-n.ended:
			return fmt.Errorf("nginx ended: %s", &n.said)
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("nginx does not answer: %w", err)
		}
	}
	for i := 0; i < links; i += max(1, links/50) {
		res, err := client.Get("http://" + n.address + "/go/" + load.Slug(i))
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		want := string(load.AppendTarget(nil, i, placeholder))
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusFound || got != want {
			return fmt.Errorf("nginx answers %s with %d and %q instead of 302 and %q", load.Slug(i), res.StatusCode, got, want)
		}
	}
	return nil
}

// forgetLog empties the log, so that the disk does not fill. A log that is empty was
// not written, and then nginx did less than it was to be compared for.
func (n *nginx) forgetLog() error {
	info, err := os.Stat(n.log)
	if err == nil && info.Size() == 0 {
		err = errors.New("nginx has written no log")
	}
	return errors.Join(err, os.Truncate(n.log, 0))
}

func (n *nginx) stop() error {
	select {
	case <-n.ended:
		return fmt.Errorf("nginx ended: %s", strings.TrimSpace(n.said.String()))
	default:
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-n.ended
	return nil
}
