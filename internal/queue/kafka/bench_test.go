package kafka_test

import (
	"testing"

	"github.com/sluicehq/sluice/internal/queue/queuetest"
)

// Into 12 partitions.
func BenchmarkSend(b *testing.B) { queuetest.BenchmarkSend(b, openProducer(b, optionsOf(b))) }

// From one partition.
func BenchmarkTake(b *testing.B) {
	o := optionsOf(b)
	o.Partitions = 1
	queuetest.BenchmarkTake(b, openProducer(b, o), openQueue(b, o))
}
