package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/sluicehq/sluice/test/load"
)

// visitor is one connection that is kept alive, for single visits.
type visitor struct {
	conn net.Conn
	r    *bufio.Reader
}

func arrive(address string) (*visitor, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return nil, err
	}
	return &visitor{conn, bufio.NewReader(conn)}, nil
}

func (v *visitor) leave() { _ = v.conn.Close() }

// follow asks for a name and returns the status of the answer.
func (v *visitor) follow(slug string) (status int, err error) {
	if err := v.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintf(v.conn, "GET /go/%s HTTP/1.1\r\nHost: links.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"+
		"Accept: text/html\r\nAccept-Language: en\r\nReferer: https://www.blog.example/review\r\n\r\n", slug); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(v.r, nil)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// visit lets a crowd, in a process of its own, visit a server. on is the processor
// that the crowd has to itself, or anywhere.
func (b *bench) visit(ctx context.Context, on int, o load.Options) (r load.Result, err error) {
	args := []string{b.visitors, "-address", o.Address, "-for", o.Duration.String(), "-links", strconv.Itoa(o.Links),
		"-rate", strconv.Itoa(o.Rate), "-seed", strconv.FormatUint(b.nextSeed(), 10), "-returning", strconv.FormatFloat(o.Returning, 'f', -1, 64)}
	if o.Connections > 0 {
		args = append(args, "-connections", strconv.Itoa(o.Connections))
	}
	if o.Forwarded {
		args = append(args, "-forwarded")
	}
	if on != anywhere {
		args = append(args, "-spin")
	}
	var said bytes.Buffer
	cmd := pinned(ctx, on, args...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("the visitors failed: %w: %s", err, &said)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("the visitors: %w: %q", err, out)
	}
	if faults := r.Faults(); faults != "" {
		return r, fmt.Errorf("of %d visits to %s: %s", r.Sent, o.Address, faults)
	}
	if r.Answered == 0 {
		return r, fmt.Errorf("no visit to %s was answered", o.Address)
	}
	return r, nil
}

// nextSeed gives every crowd other random links.
func (b *bench) nextSeed() uint64 {
	b.seed++
	return b.seed
}

// anywhere is no processor in particular.
const anywhere = -1

// pinned is a command that runs on one processor only.
func pinned(ctx context.Context, on int, args ...string) *exec.Cmd {
	if on != anywhere {
		args = append([]string{"taskset", "-c", strconv.Itoa(on)}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = os.Environ()
	return cmd
}
