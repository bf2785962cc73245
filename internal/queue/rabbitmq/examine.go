package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

// awayAfter is how long a node may take to answer an examination.
const awayAfter = 5 * time.Second

// Examine says what of the topic is other than it should be. How many nodes keep a copy
// is not told over AMQP: rabbitmqctl list_queues name members shows it.
func (q *Queue) Examine(ctx context.Context, _ time.Time) ([]affiliate.Finding, error) {
	q.mu.Lock()
	conn, t, trouble, closed := q.conn, q.topic, q.trouble, q.closed
	q.mu.Unlock()
	switch {
	case closed:
		return nil, queue.ErrClosed
	case conn == nil:
		return nil, trouble
	}
	return examine(ctx, t, q.options)
}

// Examine besides says when the broker takes nothing.
func (p *Producer) Examine(ctx context.Context, _ time.Time) ([]affiliate.Finding, error) {
	p.mu.Lock()
	out, trouble, closed := p.current, p.trouble, p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return nil, queue.ErrClosed
	case out == nil:
		return nil, trouble
	}
	findings, err := examine(ctx, out.topic, p.options)
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.blocked != "" {
		findings = append(findings, affiliate.Finding{
			Problem: fmt.Sprintf("the broker at %s has raised an alarm and takes nothing: %s", out.host, out.blocked),
			Mend:    "free space on its disk, or memory; rabbitmqctl alarms says which",
		})
	}
	return findings, err
}

// examine asks over a connection of its own: in an alarm the broker no longer listens to
// those that have sent.
func examine(ctx context.Context, t topic, o Options) ([]affiliate.Finding, error) {
	conn, err := o.connect(ctx, "examines")
	if err != nil {
		return nil, err
	}
	defer closeSoon(conn)
	defer context.AfterFunc(ctx, func() { closeSoon(conn) })()
	var findings []affiliate.Finding
	add := func(mend, problem string, arguments ...any) {
		findings = append(findings, affiliate.Finding{Problem: fmt.Sprintf(problem, arguments...), Mend: mend})
	}
	if t.Partitions < o.Partitions {
		add("choose another name for the topic to have it made anew; what is in this one is read first by those who read it now",
			"the topic %s has %d partitions, not %d: no more than %d readers share it", t.name, t.Partitions, o.Partitions, t.Partitions)
	}
	if t.unlike != "" {
		add("delete and make the topic again, or set what is meant by a policy (rabbitmqctl set_policy)",
			"streams of the topic %s are kept otherwise than the settings say: %s", t.name, t.unlike)
	}
	if o.Retention < 24*time.Hour {
		add("keep records for a day or more, so that reports may be down for a night",
			"the topic %s keeps records for %v", t.name, o.Retention)
	}
	findings = append(findings, o.away(ctx)...)
	gone, err := missing(ctx, conn, t)
	for _, name := range gone {
		findings = append(findings, affiliate.Finding{
			Problem: fmt.Sprintf("the stream %s is gone", name),
			Mend:    "restart to have it made again, empty; the records that were in it are lost unless they are in the journal",
			Harmful: true,
		})
	}
	return findings, err
}

// away finds the nodes that cannot be reached. Of a single one it was heard already.
func (o Options) away(ctx context.Context) (findings []affiliate.Finding) {
	if len(o.URLs) == 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, awayAfter)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, u := range o.URLs {
		all.Go(func() {
			conn, err := o.connectTo(ctx, u, "examines")
			if err == nil {
				closeSoon(conn)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			findings = append(findings, affiliate.Finding{
				Problem: fmt.Sprintf("a node of the cluster is away, and streams need most of those that keep them: %v", explainConnect(hostOf(u), err)),
				Mend:    "start it, or take its address out of the settings",
			})
		})
	}
	all.Wait()
	return findings
}

// missing lists the partitions that are no more.
func missing(ctx context.Context, conn *amqp.Connection, t topic) (gone []string, err error) {
	var ch *amqp.Channel
	for k := range t.Partitions {
		if err := ctx.Err(); err != nil {
			return gone, err
		}
		if ch == nil {
			if ch, err = conn.Channel(); err != nil {
				return gone, fmt.Errorf("rabbitmq: %w", err)
			}
		}
		_, err := ch.QueueDeclarePassive(t.partition(k), true, false, false, false, nil)
		if err == nil {
			continue
		}
		if ch = nil; !isMissing(err) { // the broker has closed it with its answer
			return gone, explainDeclare("the stream "+t.partition(k), err)
		}
		gone = append(gone, t.partition(k))
	}
	if ch != nil {
		_ = ch.Close() // everything was answered
	}
	return gone, nil
}
