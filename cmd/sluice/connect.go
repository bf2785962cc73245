package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api/client"
	"github.com/sluicehq/sluice/internal/app"
	"github.com/sluicehq/sluice/internal/config"
)

// socketName is the way into a running server, in its data folder.
const socketName = "sluice.sock"

// connection is a server to talk to: somewhere else, on this machine, or built
// for the occasion out of the data folder.
type connection struct {
	*client.Client
	// app is set when no server runs and the folder is worked on directly.
	app   *app.App
	close func() error
}

// Close ends the connection; with no server, it closes the data folder.
func (c *connection) Close() error { return c.close() }

// mayCreate says whether a verb makes sense on a data folder that is not there.
type mayCreate bool

// connect finds the server that a verb talks to: the one that SLUICE_URL names,
// the one that runs on the data folder, or none, when it opens the folder itself.
func (p *program) connect(cmd *cobra.Command, create mayCreate) (*connection, error) {
	if address := p.getenv("SLUICE_URL"); address != "" {
		return p.connectRemote(address)
	}
	cfg, err := p.settings(cmd)
	if err != nil {
		return nil, err
	}
	alive, err := socketAlive(cmd.Context(), cfg.Data)
	if err != nil {
		return nil, err
	}
	if alive {
		return connectSocket(cfg.Data), nil
	}
	if _, err := os.Stat(cfg.Data); errors.Is(err, fs.ErrNotExist) && !bool(create) {
		return nil, fmt.Errorf("there is no data folder %s; name the right one with --data, start one with \"sluice serve\", or set SLUICE_URL for a server elsewhere", cfg.Data)
	}
	return p.openOffline(cmd.Context(), cfg)
}

func (p *program) connectRemote(address string) (*connection, error) {
	token := p.getenv("SLUICE_TOKEN")
	if token == "" {
		return nil, fmt.Errorf("SLUICE_URL is set to %s but SLUICE_TOKEN is not; make a token there with \"sluice token add\"", address)
	}
	if !strings.Contains(address, "://") {
		return nil, fmt.Errorf("SLUICE_URL is %q; write it with its scheme, such as http://127.0.0.1:8081", address)
	}
	return &connection{Client: client.New(client.Options{BaseURL: address, Token: token}), close: func() error { return nil }}, nil
}

func connectSocket(data string) *connection {
	o := connectOptions(data)
	return &connection{
		Client: client.New(o),
		close: func() error {
			o.HTTP.CloseIdleConnections()
			return nil
		},
	}
}

// connectOptions lead a client to the server that runs on the data folder.
func connectOptions(data string) client.Options {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, data) }}
	return client.Options{BaseURL: "http://sluice", HTTP: &http.Client{Transport: transport}}
}

// dialSocket reaches the socket through the opened folder, because the folder's
// path may be longer than the 108 bytes that an address can have.
func dialSocket(ctx context.Context, data string) (net.Conn, error) {
	dir, err := os.Open(data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }() // only its name was used
	path := filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), socketName)
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		path = filepath.Join(data, socketName)
	}
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}

// socketAlive says whether a server answers on the data folder.
func socketAlive(ctx context.Context, data string) (bool, error) {
	conn, err := dialSocket(ctx, data)
	switch {
	case err == nil:
		return true, conn.Close()
	case errors.Is(err, fs.ErrPermission):
		return false, fmt.Errorf("a server runs on %s and this user may not administer it: %w; become the user who runs it, or use SLUICE_URL and SLUICE_TOKEN", data, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return false, nil
	}
	return false, fmt.Errorf("the server on %s cannot be reached: %w", data, err)
}

// openOffline builds the application without listeners and talks to it through
// memory.
func (p *program) openOffline(ctx context.Context, cfg config.Config) (*connection, error) {
	logger := slog.New(slog.NewTextHandler(p.errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := app.Build(ctx, cfg, app.Options{Version: version(), Logger: logger, Out: p.errOut, Offline: true, Now: p.now})
	if err != nil {
		return nil, err
	}
	door := newMemoryDoor()
	server := &http.Server{Handler: a.Handler(), ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(door) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return door.dial(ctx) }}
	return &connection{
		Client: client.New(client.Options{BaseURL: "http://sluice", HTTP: &http.Client{Transport: transport}}),
		app:    a,
		close: func() error {
			transport.CloseIdleConnections()
			err := server.Close()
			if e := <-served; !errors.Is(e, http.ErrServerClosed) {
				err = errors.Join(err, e)
			}
			return errors.Join(err, a.Close())
		},
	}, nil
}

// memoryDoor is a listener within the process.
type memoryDoor struct {
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemoryDoor() *memoryDoor {
	return &memoryDoor{calls: make(chan net.Conn), closed: make(chan struct{})}
}

func (d *memoryDoor) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case d.calls <- there:
		return here, nil
	case <-d.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a call.
func (d *memoryDoor) Accept() (net.Conn, error) {
	select {
	case c := <-d.calls:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (d *memoryDoor) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// Addr names the door.
func (d *memoryDoor) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// withConnection runs a verb with a server to talk to.
func (p *program) withConnection(cmd *cobra.Command, create mayCreate, fn func(ctx context.Context, c *connection) error) (err error) {
	c, err := p.connect(cmd, create)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return fn(cmd.Context(), c)
}
