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
	"slices"
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
	mu     sync.Mutex
	doors  []door
	failed chan error // the first failure of each
}

// doorsMax is how many doors there can be.
const doorsMax = 8

// door is one way in.
type door struct {
	name       string
	configured string // its address in the configuration
	address    net.Addr
	// serve answers until shutdown is called; then it returns nil.
	serve func() error
	// shutdown stops accepting and lets who is inside finish.
	shutdown func(context.Context) error
	// leave stops accepting and waits until all have gone by themselves; nil for
	// doors that cannot wait.
	leave func(context.Context) error
	// sockets are copies of the listening ones, for a successor; nil for doors that
	// it opens anew.
	sockets func() ([]*os.File, error)
}

// open begins to answer on a door.
func (l *listeners) open(d door) {
	l.mu.Lock()
	l.doors = append(l.doors, d)
	l.mu.Unlock()
	go func() {
		if err := d.serve(); err != nil {
			l.failed <- fmt.Errorf("%s: %w", d.name, err)
		}
	}()
}

func (l *listeners) list() []door {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.doors)
}

// listen opens every door or none. When this process succeeds another one, visitors
// are served at once, and the other doors are opened when that has gone.
func (a *App) listen(ctx context.Context) (_ *listeners, err error) {
	l := &listeners{failed: make(chan error, doorsMax+1)}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if a.answersVisitors() {
		if err := a.listenVisitors(l); err != nil {
			return nil, err
		}
		if err := a.openSecureDoor(l); err != nil {
			return nil, err
		}
	}
	if err := a.succeed(ctx); err != nil {
		return nil, err
	}
	admin, err := a.listenTCP("admin", a.config.Admin)
	if err != nil {
		return nil, err
	}
	a.ops.admin.Store(new(admin.Addr().String()))
	l.open(a.httpDoor("admin", a.config.Admin, admin, a.adminHandler()))
	socket, err := listenSocket(a.folder)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+successionPath, a.answerSuccession(l))
	mux.Handle("/", a.operatorHandler())
	l.open(a.httpDoor("socket", "", socket, mux))
	return l, nil
}

// succeed waits for the process that this one succeeds, and then owns what it had.
func (a *App) succeed(ctx context.Context) error {
	if a.predecessor == nil {
		return nil
	}
	a.printf("Visitors are served; process %d brings its clicks into the reports and ends.\n\n", a.predecessor.offer.Process)
	if err := a.predecessor.succeed(ctx); err != nil {
		return err
	}
	return errors.Join(a.folder.signLock(), a.plane.tables.Own())
}

// listenVisitors opens the event loops.
func (a *App) listenVisitors(l *listeners) error {
	cfg := &a.config
	o := eventloop.Options{
		Redirector: a.plane.redirector, Record: a.plane.loopRecord, Others: a.others(cfg), OtherPaths: a.otherPaths(), CountryHeader: cfg.CountryHeader,
		Loops: a.plane.loops, HeaderBytes: int(cfg.Limits.HeaderBytes), HeaderTimeout: time.Duration(cfg.Limits.HeaderTimeout),
		IdleTimeout: time.Duration(cfg.Limits.IdleTimeout), WriteTimeout: time.Duration(cfg.Limits.WriteTimeout),
		Connections: cfg.Limits.Connections, OtherConnections: cfg.Limits.OtherConnections,
		UnfinishedBytes: int(cfg.Limits.UnfinishedBytes), Now: a.options.Now, Logger: a.options.Logger,
		Inherited: a.predecessor.take("visitors", cfg.Listen),
	}
	if cfg.ProxyProtocol {
		o.Announcing = cfg.TrustedProxies
	}
	a.plane.giveProcessors()
	s, err := eventloop.Listen(cfg.Listen, o)
	if err != nil {
		return explainListen("listen", cfg.Listen, err)
	}
	a.ops.loops.Store(s)
	a.plane.listening(s.Addr().String())
	l.open(door{name: "visitors", configured: cfg.Listen, address: s.Addr(), serve: s.Wait, shutdown: s.Shutdown, leave: s.Leave, sockets: s.Listeners})
	return nil
}

// httpDoor serves a handler through net/http.
func (a *App) httpDoor(name, configured string, l net.Listener, h http.Handler) door {
	// What is streamed takes as long as it takes; a client is bounded by its head.
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: int(a.config.Limits.HeaderBytes),
		ErrorLog:       slog.NewLogLogger(a.options.Logger.Handler(), slog.LevelDebug),
	}
	return door{name: name, configured: configured, address: l.Addr(), sockets: socketOf(l),
		serve: func() error {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
		shutdown: func(ctx context.Context) error {
			err := s.Shutdown(ctx)
			if err != nil {
				err = fmt.Errorf("requests under way were cut off: %w", errors.Join(err, s.Close()))
			}
			return errors.Join(err, ignoreClosed(l.Close())) // a server that never served does not know its listener
		},
	}
}

// socketOf returns how to copy a TCP listener's socket; nil for another's.
func socketOf(l net.Listener) func() ([]*os.File, error) {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil
	}
	return func() ([]*os.File, error) {
		f, err := tcp.File()
		if err != nil {
			return nil, err
		}
		return []*os.File{f}, nil
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// listenTCP opens a listener, or takes the predecessor's.
func (a *App) listenTCP(key, address string) (net.Listener, error) {
	if files := a.predecessor.take(key, address); len(files) > 0 {
		defer closeFiles(files)
		return net.FileListener(files[0])
	}
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

// leave waits until those have gone by themselves who came through a door that can
// wait for them. Who is left when the context ends is shut out.
func (l *listeners) leave(ctx context.Context) {
	var all sync.WaitGroup
	for _, d := range l.list() {
		if d.leave != nil {
			all.Go(func() { _ = d.leave(ctx) })
		}
	}
	all.Wait()
}

// shutdown closes the doors and lets who is inside finish.
func (l *listeners) shutdown(ctx context.Context) error {
	doors := l.list()
	errs := make([]error, len(doors))
	var all sync.WaitGroup
	for i, d := range doors {
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
	return api.AsOperator(a.control(a.officeHandler()))
}

func (a *App) control(apiHandler http.Handler) http.Handler {
	mux := http.NewServeMux()
	a.handleOperations(mux)
	mux.Handle("/api/", apiHandler)
	if a.hasOffice() {
		mux.Handle("/", web.Handler(web.Options{}))
	}
	return mux
}

// officeHandler is the API, or what to say while it cannot be opened.
func (a *App) officeHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o := a.office.get(); o != nil {
			o.handler.ServeHTTP(w, r)
			return
		}
		if r.Method == http.MethodGet && r.URL.Path == "/api/v1/status" && api.ByOperator(r) {
			answerJSON(w, http.StatusOK, a.status(r.Context())) // what is wrong is asked for most when something is
			return
		}
		detail := "Sluice is starting; try again in a moment"
		if fault := a.office.fault(); fault != "" {
			detail = fault
		}
		if !a.hasOffice() {
			detail = fmt.Sprintf("this process has no back office (role: %s); links and reports need one with the role %s on this data folder, or %s on another node", a.config.Role, config.All, config.Control)
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]any{"title": "Service Unavailable", "status": http.StatusServiceUnavailable,
			"code": "unavailable", "detail": detail})
	})
}
