package app

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/redirect"
)

// lanes are the journals that this process writes: the first for net/http, the
// others for an event loop each, so that loops share nothing, and the last for clicks that
// were made elsewhere. Each has a folder with
// its number. A process takes the lowest numbers that nobody else writes: while it
// replaces another one, that has its own.
type lanes []*lane

type lane struct {
	number  int
	journal *journal.Journal
}

// lanesMax bounds the search for free numbers.
const lanesMax = 1024

// seldomSegmentBytes is the size of the segments of net/http and of the clicks from elsewhere,
// of which two are in memory: few visits come that way, and those clicks in no hurry.
const seldomSegmentBytes = 4 << 20

// openLanes opens n journals.
func openLanes(a *App, n int) (all lanes, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, all.close())
			all = nil
		}
	}()
	if n == 0 {
		return nil, nil
	}
	options, err := a.journalOptions(n)
	if err != nil {
		return nil, err
	}
	isSeldom := func(i int) bool { return i == 0 || a.hasOffice() && i == n-1 }
	for number := 0; len(all) < n; number++ {
		if number == lanesMax {
			return all, fmt.Errorf("the journal %s has no free lane below %d", a.folder.at("journal"), lanesMax)
		}
		o := options
		if isSeldom(len(all)) {
			o.SegmentBytes = min(o.SegmentBytes, seldomSegmentBytes)
		}
		j, err := journal.Open(a.lanePath(number), o)
		if errors.Is(err, journal.ErrLocked) {
			continue
		}
		if err != nil {
			return all, fmt.Errorf("the journal of clicks cannot be opened: %w", err)
		}
		all = append(all, &lane{number, j})
	}
	return all, nil
}

// journalOptions shares what the journal may take among n lanes.
func (a *App) journalOptions(n int) (journal.Options, error) {
	cfg := a.config.Journal
	o := journal.Options{SegmentBytes: int64(cfg.SegmentBytes), SyncInterval: time.Duration(cfg.SyncInterval),
		MaxBytes: int64(cfg.MaxBytes) / int64(n), Keep: time.Duration(cfg.Keep), KeepBytes: int64(cfg.KeepBytes) / int64(n),
		Logger: a.options.Logger, Now: a.options.Now}
	if least := 4 * o.SegmentBytes; cfg.MaxBytes != 0 && o.MaxBytes < least {
		return o, fmt.Errorf("journal.max_bytes: %s leaves no room to work for %d lanes, one for each event loop and one for the rest; "+
			"give at least %d bytes, smaller segments (journal.segment_bytes), or fewer loops", cfg.MaxBytes, n, least*int64(n))
	}
	return o, nil
}

func (a *App) lanePath(number int) string { return a.folder.at("journal", strconv.Itoa(number)) }

// sourceName is how a lane is known to queue and analytics: "NODE/LANE".
func (a *App) sourceName(number int) string {
	return strconv.Itoa(a.config.Node) + "/" + strconv.Itoa(number)
}

// record returns where a writer puts its clicks.
func (l *lane) record() redirect.Record {
	return l.journal.AppendAll
}

func (all lanes) close() error {
	var errs []error
	for _, l := range all {
		errs = append(errs, l.journal.Close())
	}
	return errors.Join(errs...)
}

// adoptLanes reads the lanes that an earlier process has left: it had more loops, or
// this one has replaced it. What is in them goes the way of all clicks; nothing is
// added. A lane that has nothing more is left alone.
func (a *App) adoptLanes() (left lanes, err error) {
	entries, err := os.ReadDir(a.folder.at("journal"))
	if err != nil {
		return nil, fmt.Errorf("the journal's folder cannot be read: %w", err)
	}
	options, err := a.journalOptions(len(a.plane.lanes))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		number, err := strconv.Atoi(e.Name())
		if err != nil || !e.IsDir() || a.plane.lanes.has(number) {
			continue
		}
		j, err := journal.Adopt(a.lanePath(number), options)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("clicks of an earlier process cannot be read: %w", err), left.close())
		}
		if j.Drained() {
			err = j.Close()
		} else {
			left = append(left, &lane{number, j})
		}
		if err != nil {
			return nil, errors.Join(err, left.close())
		}
	}
	return left, nil
}

func (all lanes) has(number int) bool {
	return slices.ContainsFunc(all, func(l *lane) bool { return l.number == number })
}
