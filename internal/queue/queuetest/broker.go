package queuetest

import (
	"context"
	"testing"

	"github.com/sluicehq/sluice/internal/queue"
)

// Broker is a topic of its own, with nothing in it.
type Broker struct {
	OpenQueue    func(ctx context.Context, over *Link) (queue.Queue, error)
	OpenProducer func(ctx context.Context, over *Link) (queue.Producer, error)
	// Expire waits until the broker has removed the older records, after far more was
	// sent than Setup.RetentionBytes.
	Expire func(t *testing.T)
}

// Setup is how the topic is to be.
type Setup struct {
	Partitions     int
	RetentionBytes int64 // of each partition, 0 for no limit; the broker may keep several times as much
}

// RunBroker checks what is asked of queues that several processes read, over a network.
// They pass Run as well.
func RunBroker(t *testing.T, open func(t *testing.T, s Setup) Broker) {
	for name, test := range map[string]func(*testing.T, func(*testing.T, Setup) Broker){
		"what is sent once is read once":                sentOnce,
		"equal keys come out of one source, in order":   equalKeys,
		"readers share the sources":                     share,
		"a reader that closes hands over":               closes,
		"a reader that is cut off hands over":           cutOff,
		"a reader that hears nothing stops":             deaf,
		"positions are good for another reader":         positions,
		"the second opening counts":                     openedTwice,
		"Send fails while the broker is away":           sendAway,
		"Send ends with its context in a silent broker": sendSilent,
		"records of all lengths":                        lengths,
		"what retention has removed is lost":            lost,
		"Send after Close":                              sendClosed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time they wait for each other's silence to be noticed
			test(t, open)
		})
	}
}

func (b Broker) queue(t *testing.T, over *Link) queue.Queue {
	t.Helper()
	return Opened(t, func(ctx context.Context) (queue.Queue, error) { return b.OpenQueue(ctx, over) })
}

func (b Broker) producer(t *testing.T, over *Link) queue.Producer {
	t.Helper()
	return Opened(t, func(ctx context.Context) (queue.Producer, error) { return b.OpenProducer(ctx, over) })
}
