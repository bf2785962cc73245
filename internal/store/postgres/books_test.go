package postgres_test

import (
	"testing"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
	"github.com/sluicehq/sluice/internal/store/storetest"
)

func BenchmarkBooks(b *testing.B) {
	storetest.BenchmarkBooks(b, func(b *testing.B) store.Store { return open(b, postgres.Options{Schema: schema(b)}) })
}

func BenchmarkLinks(b *testing.B) {
	storetest.BenchmarkLinks(b, func(b *testing.B) store.Store { return open(b, postgres.Options{Schema: schema(b)}) })
}
