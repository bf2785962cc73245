package main

import (
	"github.com/sluicehq/sluice/internal/analytics/analyticstest"
	"github.com/sluicehq/sluice/test/load"
)

// newTraffic makes clicks on the links that a load has.
func newTraffic(seed uint64) *analyticstest.Traffic {
	return analyticstest.NewTraffic(seed, load.Slug, load.Target)
}
