package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/pipeline"
	"github.com/sluicehq/sluice/internal/queue"
)

// shipping is what sends this process's clicks to the broker.
type shipping struct {
	left     lanes // of an earlier process
	queue    queue.Queue
	producer queue.Producer
	shipper  *pipeline.Shipper
}

// ships says whether this process has clicks of its own that go to a broker.
func (a *App) ships() bool { return a.answersVisitors() && a.config.HasBroker() }

// keepShipping opens the way to the broker, however long that takes, and sends until the
// context ends.
func (a *App) keepShipping(ctx context.Context) {
	s, _ := a.shipping.keepOpening(ctx, trial{most: 30 * time.Second, logger: a.options.Logger,
		without: "clicks cannot be sent to the broker; they wait in the journal"}, a.openShipping)
	if s != nil {
		s.shipper.Run(ctx)
	}
}

func (a *App) openShipping(ctx context.Context) (_ *shipping, err error) {
	s := &shipping{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.producer, err = a.openProducer(ctx); err != nil {
		return nil, err
	}
	if s.left, err = a.adoptLanes(); err != nil {
		return nil, err
	}
	s.queue = a.openJournals(s.left)
	s.shipper = pipeline.NewShipper(pipeline.ShipperOptions{From: s.queue, To: s.producer, Positions: shippedPositions{a.folder},
		Niceness: collectorNiceness, Now: a.options.Now, Logger: a.options.Logger})
	return s, s.shipper.Open(ctx)
}

func (s *shipping) close() error {
	var errs []error
	if s.shipper != nil {
		errs = append(errs, s.shipper.Close())
	}
	if s.producer != nil {
		errs = append(errs, s.producer.Close())
	}
	if s.queue != nil {
		errs = append(errs, s.queue.Close())
	}
	return errors.Join(append(errs, s.left.close())...)
}

// shipped says how far the shipper is; false when there is none, or not yet.
func (a *App) shipped() (pipeline.ShipperStats, bool) {
	if s := a.shipping.get(); s != nil {
		return s.shipper.Stats(), true
	}
	return pipeline.ShipperStats{}, false
}

// shippingFault says why clicks do not reach the broker, "" when they do.
func (a *App) shippingFault() string {
	if fault := a.shipping.fault(); fault != "" {
		return fault
	}
	s, _ := a.shipped()
	return s.Trouble
}

// shippedPositions keeps the positions in the data folder, in a file for each lane.
type shippedPositions struct{ folder *folder }

func (p shippedPositions) path(source string) string {
	return p.folder.at("shipped", strings.ReplaceAll(source, "/", "-"))
}

// Load is pipeline.Positions's.
func (p shippedPositions) Load(source string) (string, error) {
	b, err := os.ReadFile(p.path(source))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("how far clicks were sent cannot be read: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Save is pipeline.Positions's.
func (p shippedPositions) Save(source, position string) error {
	path := p.path(source)
	err := p.folder.write(path, []byte(position+"\n"), 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return p.folder.unwritable(err)
		}
		err = p.folder.write(path, []byte(position+"\n"), 0o600)
	}
	return err
}
