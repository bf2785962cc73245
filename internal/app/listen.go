package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/redirect/eventloop"
	"github.com/sluicehq/sluice/internal/web"
)

// listeners are the doors of the process, in the order in which they were opened:
// visitors first.
type listeners struct {
	doors []door
}

// door is one way in.
type door struct {
	name    string
	address net.Addr
	// serve answers until shutdown is called; then it returns nil.
	serve func() error
	// shutdown stops accepting and lets who is inside finish.
	shutdown func(context.Context) error
}

// listen opens every door or none.
func (a *App) listen() (_ *listeners, err error) {
	l := &listeners{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	visitors, err := a.listenVisitors()
	if err != nil {
		return nil, err
	}
	a.plane.listening(visitors.address.String())
	l.doors = append(l.doors, visitors)
	admin, err := listenTCP("admin", a.config.Admin)
	if err != nil {
		return nil, err
	}
	l.doors = append(l.doors, a.httpDoor("admin", admin, a.adminHandler()))
	socket, err := listenSocket(a.folder)
	if err != nil {
		return nil, err
	}
	l.doors = append(l.doors, a.httpDoor("socket", socket, a.operatorHandler()))
	return l, nil
}

// listenVisitors opens the event loops.
func (a *App) listenVisitors() (door, error) {
	cfg := &a.config
	o := eventloop.Options{
		Redirector: a.plane.redirector, Record: a.plane.loopRecord, Others: a.plane.others(cfg), CountryHeader: cfg.CountryHeader,
		Loops: a.plane.loops, HeaderBytes: int(cfg.Limits.HeaderBytes), HeaderTimeout: time.Duration(cfg.Limits.HeaderTimeout),
		IdleTimeout: time.Duration(cfg.Limits.IdleTimeout), WriteTimeout: time.Duration(cfg.Limits.WriteTimeout),
		Connections: cfg.Limits.Connections, OtherConnections: cfg.Limits.OtherConnections,
		UnfinishedBytes: int(cfg.Limits.UnfinishedBytes), Now: a.options.Now, Logger: a.options.Logger,
	}
	if cfg.ProxyProtocol {
		o.Announcing = cfg.TrustedProxies
	}
	a.plane.giveProcessors()
	s, err := eventloop.Listen(cfg.Listen, o)
	if err != nil {
		return door{}, explainListen("listen", a.config.Listen, err)
	}
	return door{"visitors", s.Addr(), s.Wait, s.Shutdown}, nil
}

// httpDoor serves a handler through net/http.
func (a *App) httpDoor(name string, l net.Listener, h http.Handler) door {
	// What is streamed takes as long as it takes; a client is bounded by its head.
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: int(a.config.Limits.HeaderBytes),
		ErrorLog:       slog.NewLogLogger(a.options.Logger.Handler(), slog.LevelDebug),
	}
	return door{name, l.Addr(),
		func() error {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
		func(ctx context.Context) error {
			err := s.Shutdown(ctx)
			if err != nil {
				err = fmt.Errorf("requests under way were cut off: %w", errors.Join(err, s.Close()))
			}
			return errors.Join(err, ignoreClosed(l.Close())) // a server that never served does not know its listener
		},
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func listenTCP(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, explainListen(key, address, err)
	}
	return l, nil
}

// explainListen says what to do about an address that cannot be had.
func explainListen(key, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: the address %s is in use by another program; stop it, or choose another with --%s", key, address, key)
	}
	return fmt.Errorf("%s: cannot listen on %s: %w", key, address, err)
}

// socketName is the command line's way in, in the data folder.
const socketName = "sluice.sock"

// listenSocket opens the unix socket. The folder's path may be longer than a
// socket's address can be, so it is reached through the opened folder.
func listenSocket(f *folder) (net.Listener, error) {
	dir, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	path := filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, f.unwritable(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the socket %s cannot be opened: %w", f.at(socketName), err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its path ends with dir; close removes the file
	if err := os.Chmod(f.at(socketName), 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serve answers on every door. The channel gets the first failure of each.
func (l *listeners) serve() chan error {
	failed := make(chan error, len(l.doors)+1)
	for _, d := range l.doors {
		go func() {
			if err := d.serve(); err != nil {
				failed <- fmt.Errorf("%s: %w", d.name, err)
			}
		}()
	}
	return failed
}

// shutdown closes the doors and lets who is inside finish.
func (l *listeners) shutdown(ctx context.Context) error {
	errs := make([]error, len(l.doors))
	var all sync.WaitGroup
	for i, d := range l.doors {
		all.Go(func() {
			if err := d.shutdown(ctx); err != nil {
				errs[i] = fmt.Errorf("%s: %w", d.name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// close gives up doors that were never served.
func (l *listeners) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.shutdown(ctx)
}

// adminHandler serves people and programs that must say who they are.
func (a *App) adminHandler() http.Handler {
	return a.control(a.officeHandler())
}

// operatorHandler serves the command line on this machine, who may do everything.
func (a *App) operatorHandler() http.Handler {
	return a.control(api.AsOperator(a.officeHandler()))
}

func (a *App) control(apiHandler http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { a.answerHealth(w, true) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		a.answerHealth(w, !a.hasOffice() || a.office.get() != nil)
	})
	mux.Handle("/api/", apiHandler)
	if a.hasOffice() {
		mux.Handle("/", web.Handler(web.Options{}))
	}
	return mux
}

func (a *App) answerHealth(w http.ResponseWriter, ok bool) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ok": ok, "links": a.plane.tables.Current().Links(), "lost_clicks": a.plane.redirector.Stats().Lost})
}

// officeHandler is the API, or what to say while it cannot be opened.
func (a *App) officeHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o := a.office.get(); o != nil {
			o.handler.ServeHTTP(w, r)
			return
		}
		detail := "Sluice is starting; try again in a moment"
		if t := a.office.trouble.Load(); t != nil {
			detail = *t
		}
		if !a.hasOffice() {
			detail = fmt.Sprintf("this process only answers visitors (role: %s); links and reports need one with the role %s on this data folder", config.Redirect, config.All)
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]any{"title": "Service Unavailable", "status": http.StatusServiceUnavailable,
			"code": "unavailable", "detail": detail})
	})
}
