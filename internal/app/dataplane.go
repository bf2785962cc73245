package app

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/geo"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/redirect"
	"github.com/sluicehq/sluice/internal/routing"
)

// dataPlane is what answers visitors. It depends on the data folder only.
type dataPlane struct {
	tables     *routing.Holder
	journal    *journal.Journal
	places     *geo.DB
	redirector *redirect.Redirector
	bound      atomic.Pointer[string] // address that visitors reach
}

func openDataPlane(a *App) (_ *dataPlane, err error) {
	cfg := &a.config
	p := &dataPlane{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.tables, err = routing.Open(routing.Options{Dir: a.folder.at("table"), Logger: a.options.Logger}); err != nil {
		return nil, err
	}
	if p.journal, err = journal.Open(a.folder.at("journal", lane), journal.Options{
		SegmentBytes: int64(cfg.Journal.SegmentBytes), SyncInterval: time.Duration(cfg.Journal.SyncInterval),
		MaxBytes: int64(cfg.Journal.MaxBytes), Logger: a.options.Logger, Now: a.options.Now,
	}); err != nil {
		return nil, fmt.Errorf("the journal of clicks cannot be opened: %w", err)
	}
	if p.places, err = geo.Open(geo.Options{CountryFile: cfg.Geo.CountryFile, ASNFile: cfg.Geo.ASNFile}); err != nil {
		return nil, err
	}
	keys, err := a.folder.cookieKeys()
	if err != nil {
		return nil, err
	}
	p.redirector = redirect.New(redirect.Options{
		Table: p.tables.Current,
		Keys: keys, Country: p.places.Country, Node: uint16(cfg.Node), Proxies: cfg.TrustedProxies,
		Cookie:              redirect.Cookie{Name: cfg.Cookie.Name, TTL: time.Duration(cfg.Cookie.TTL), Insecure: cfg.Cookie.Insecure},
		IgnorePrivacyGlobal: !cfg.Privacy.HonorGPC, IgnoreDoNotTrack: !cfg.Privacy.HonorDNT,
		Now: a.options.Now, Logger: a.options.Logger,
	})
	return p, nil
}

// record puts a click into the journal.
func (p *dataPlane) record(record []byte) error {
	_, err := p.journal.Append(record)
	return err
}

// lane is the journal of the one writer that net/http has.
const lane = "0"

// sourceName is how the journal is known to queue and analytics: "NODE/LANE".
func (a *App) sourceName() string { return strconv.Itoa(a.config.Node) + "/" + lane }

func (p *dataPlane) close() error {
	var errs []error
	if p.journal != nil {
		errs = append(errs, p.journal.Close())
	}
	if p.tables != nil {
		errs = append(errs, p.tables.Close())
	}
	if p.places != nil {
		errs = append(errs, p.places.Close())
	}
	return errors.Join(errs...)
}
