package app

import (
	"bytes"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/geo"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/redirect"
	"github.com/sluicehq/sluice/internal/routing"
)

// dataPlane is what answers visitors. It depends on the data folder only.
type dataPlane struct {
	tables     *routing.Holder
	lanes      lanes
	loops      int // event loops
	places     *geo.DB
	redirector *redirect.Redirector
	bound      atomic.Pointer[string] // address that visitors reach

	ringMu sync.Mutex
	ring   affiliate.Keyring // of the redirector
}

func openDataPlane(a *App) (_ *dataPlane, err error) {
	cfg := &a.config
	p := &dataPlane{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	openTable := routing.Open
	if a.predecessor != nil { // it still writes the table
		openTable = routing.Peek
	}
	if p.tables, err = openTable(routing.Options{Dir: a.folder.at("table"), Pause: pauseOfMerge, Logger: a.options.Logger}); err != nil {
		return nil, err
	}
	if p.loops = cfg.Loops; p.loops == 0 {
		p.loops = runtime.NumCPU()
	}
	lanes := 1 + p.loops
	if a.hasOffice() {
		lanes++
	}
	if !a.answersVisitors() {
		lanes = 0
	}
	if p.lanes, err = openLanes(a, lanes); err != nil {
		return nil, err
	}
	if p.places, err = geo.Open(geo.Options{CountryFile: cfg.Geo.CountryFile, ASNFile: cfg.Geo.ASNFile}); err != nil {
		return nil, err
	}
	ring, err := a.keys.ring(cookieKeys)
	if err != nil {
		return nil, err
	}
	p.ring = ring
	p.redirector = redirect.New(redirect.Options{
		Table: p.tables.Current,
		Keys:  ring, Country: p.places.Country, Node: uint16(cfg.Node), Proxies: cfg.TrustedProxies,
		Cookie:              redirect.Cookie{Name: cfg.Cookie.Name, TTL: time.Duration(cfg.Cookie.TTL), Insecure: cfg.Cookie.Insecure},
		IgnorePrivacyGlobal: !cfg.Privacy.HonorGPC, IgnoreDoNotTrack: !cfg.Privacy.HonorDNT,
		Now: a.options.Now, Logger: a.options.Logger,
	})
	return p, nil
}

// others answers visits through net/http.
func (p *dataPlane) others(cfg *config.Config) http.Handler {
	return p.redirector.Handler(cfg.CountryHeader, p.lanes[0].record())
}

// useKeys replaces the keys of visitors' cookies, if they are others.
func (p *dataPlane) useKeys(ring affiliate.Keyring) {
	p.ringMu.Lock()
	defer p.ringMu.Unlock()
	same := func(a, b affiliate.Key) bool { return a.Number == b.Number && bytes.Equal(a.Secret, b.Secret) }
	if !slices.EqualFunc(p.ring, ring, same) {
		p.ring = ring
		p.redirector.SetKeys(ring)
	}
}

// intakeLane is where clicks from elsewhere are put, so that none of them takes the room of a
// visitor's. There is one where there is a back office.
func (p *dataPlane) intakeLane() *journal.Journal { return p.lanes[1+p.loops].journal }

// loopRecord is where an event loop puts its clicks.
func (p *dataPlane) loopRecord(loop int) redirect.Record { return p.lanes[1+loop].record() }

// giveProcessors lets Go run as many goroutines beside the event loops as there are
// cores: a busy loop keeps its processor, and the kernel is better than Go at
// sharing out the cores.
func (p *dataPlane) giveProcessors() {
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), runtime.NumCPU()+p.loops))
}

func (p *dataPlane) close() error {
	var errs []error
	errs = append(errs, p.lanes.close())
	if p.tables != nil {
		errs = append(errs, p.tables.Close())
	}
	if p.places != nil {
		errs = append(errs, p.places.Close())
	}
	return errors.Join(errs...)
}

// pauseOfMerge gives the processor away for as long as a step of writing the routing
// table takes. It must be a real sleep: a goroutine that only yields keeps its
// processor from taking over what waits at another.
func pauseOfMerge() { time.Sleep(time.Millisecond / 2) }
