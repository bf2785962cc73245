package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/queuetest"
	"github.com/sluicehq/sluice/internal/queue/rabbitmq"
)

// channel speaks to the broker beside what is tested.
func channel(t testing.TB, o rabbitmq.Options) *amqp.Channel {
	conn, err := amqp.Dial(o.URLs[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestOpeningSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	with := func(change func(u *url.URL)) string {
		u, err := url.Parse(o.URLs[0])
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	for name, c := range map[string]struct {
		url  string
		code affiliate.Code
		say  []string
	}{
		"nobody listens":     {with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), affiliate.Unavailable, []string{"127.0.0.1:1", "check that it runs"}},
		"the password":       {with(func(u *url.URL) { u.User = url.UserPassword("guest", "secret-word") }), affiliate.Unsigned, []string{"user or the password"}},
		"no such vhost":      {with(func(u *url.URL) { u.Path = "/nowhere" }), affiliate.Forbidden, []string{"add_vhost"}},
		"TLS on a plain one": {with(func(u *url.URL) { u.Scheme = "amqps" }), "", []string{"does not speak TLS"}},
		"plain on TLS":       {with(func(u *url.URL) { u.Host = tlsPort(t) }), "", []string{"use amqps://"}},
		"not an address":     {"amqp://guest:secret-word@host:port/", affiliate.Invalid, []string{"amqp://user:password@host:5672/vhost"}},
		"not AMQP":           {"http://guest:secret-word@host/", affiliate.Invalid, []string{"of host cannot be read"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := o
			o.URLs = []string{c.url}
			_, errQueue := rabbitmq.OpenQueue(queuetest.Within(t, 10*time.Second), o)
			_, errProducer := rabbitmq.OpenProducer(queuetest.Within(t, 10*time.Second), o)
			for _, err := range []error{errQueue, errProducer} {
				queuetest.ExpectRefusal(t, err, c.code, c.say...)
			}
		})
	}
}

// tlsPort answers as a port for TLS does when somebody speaks plainly.
func tlsPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(conn, make([]byte, 5))
			_, _ = conn.Write([]byte{21, 3, 3, 0, 2, 2, 80}) // an alert: fatal, internal error
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestTheNodesAreTriedInTurn(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.URLs = append([]string{"amqp://guest:guest@127.0.0.1:1/"}, o.URLs...)
	openProducer(t, o)
}

// A node that answers no more is not asked first again.
func TestTheNextNodeAfterOneThatBroke(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.URLs = append(o.URLs, strings.Replace(o.URLs[0], "127.0.0.1", "localhost", 1))
	dialled := make(chan string, 100)
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled <- address
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	p := openProducer(t, o)
	first := <-dialled
	p.Break()
	queuetest.Send(t, p, 0, 10)
	if second := <-dialled; second == first || !strings.HasPrefix(second, "localhost:") {
		t.Errorf("after %s it dials %s", first, second)
	}
}

// A node that does not know the topic may be one that was cut off while it was made: what
// connects again puts no empty one in its place.
func TestConnectingAgainMakesNothing(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 2
	p, q := openProducer(t, o), openQueue(t, o)
	queuetest.Sources(t, q)
	ch := channel(t, o)
	for _, name := range []string{o.Name, o.Name + ".0", o.Name + ".1"} {
		if _, err := ch.QueueDelete(name, false, false, false); err != nil {
			t.Fatal(err)
		}
	}
	p.Break()
	q.Break()
	queuetest.Eventually(t, 20*time.Second, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range []error{p.Send(ctx, []queue.Record{{Data: []byte("x")}}), sourcesError(ctx, q)} {
			if err == nil || !strings.Contains(err.Error(), "does not know the stream "+o.Name) {
				return fmt.Errorf("got %v", err)
			}
		}
		return nil
	})
	if _, err := ch.QueueDeclarePassive(o.Name, true, false, false, false, nil); err == nil {
		t.Error("the topic was made again")
	}
}

func sourcesError(ctx context.Context, q *rabbitmq.Queue) error {
	_, err := q.Sources(ctx)
	return err
}

func TestANameThatIsTaken(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	if _, err := channel(t, o).QueueDeclare(o.Name, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	_, err := rabbitmq.OpenProducer(queuetest.Within(t, 10*time.Second), o)
	if affiliate.CodeOf(err) != affiliate.Conflict || !strings.Contains(err.Error(), "another name") {
		t.Errorf("got %v", err)
	}
}

func TestReadingGoesOnWithinAParcel(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 1
	p, q := openProducer(t, o), openQueue(t, o)
	queuetest.Send(t, p, 0, 500)
	at := ""
	for next := 0; next < 490; next += 70 {
		s := queuetest.Open(t, q, at)
		if at = queuetest.Read(t, s, next, 70); next < 210 && !strings.Contains(at, "+") {
			t.Errorf("%d records are not a place within a parcel: %q", next+70, at)
		}
		queuetest.ExpectLag(t, s, int64(500-next)) // with the 70 that were not committed
	}
	queuetest.Read(t, queuetest.Open(t, q, at), 490, 10)
}

// A stream that was deleted and made again begins with offset 0 as well.
func TestAReplacedStreamIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 1
	p := openProducer(t, o)
	for i := range 20 {
		queuetest.Send(t, p, i, i+1)
	}
	q := openQueue(t, o)
	at := queuetest.Read(t, queuetest.Open(t, q, ""), 0, 20)
	_ = q.Close()
	_ = p.Close()
	if _, err := channel(t, o).QueueDelete(o.Name+".0", false, false, false); err != nil {
		t.Fatal(err)
	}
	p, q = openProducer(t, o), openQueue(t, o)
	s := queuetest.Open(t, q, at) // while it is empty
	queuetest.Send(t, p, 0, 5)
	queuetest.Read(t, s, 0, 5)
	queuetest.Read(t, queuetest.Open(t, q, at), 0, 5) // and when it has less than was read before
}

func TestAPartitionThatIsGone(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 3
	p, q := openProducer(t, o), openQueue(t, o)
	if _, err := channel(t, o).QueueDelete(o.Name+".1", false, false, false); err != nil {
		t.Fatal(err)
	}
	var records []queue.Record
	for i := range 100 {
		records = append(records, queue.Record{Key: uint64(i), Data: []byte("x")})
	}
	if err := p.Send(queuetest.Within(t, 10*time.Second), records); affiliate.CodeOf(err) != affiliate.NotFound || !strings.Contains(err.Error(), o.Name+".1 is gone") {
		t.Errorf("Send: %v", err)
	}
	for _, e := range []affiliate.Examiner{p, q} {
		findings, err := e.Examine(queuetest.Within(t, 10*time.Second), time.Now())
		if err != nil || len(findings) != 1 || !findings[0].Harmful || !strings.Contains(findings[0].Problem, o.Name+".1 is gone") {
			t.Errorf("got %+v, %v", findings, err)
		}
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 2
	p := openProducer(t, o)
	if findings, err := p.Examine(t.Context(), time.Now()); err != nil || len(findings) != 0 {
		t.Errorf("a topic as it should be: %+v, %v", findings, err)
	}
	o.Partitions, o.Retention = 4, time.Hour
	q := openQueue(t, o)
	findings, err := q.Examine(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, f := range findings {
		said.WriteString(f.Problem + "\n")
		if f.Harmful || f.Mend == "" {
			t.Errorf("%+v", f)
		}
	}
	for _, want := range []string{"has 2 partitions, not 4", "x-max-age", "keeps records for 1h"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no word of %q in\n%s", want, &said)
		}
	}
	if names, err := q.Sources(queuetest.Within(t, 10*time.Second)); err != nil || len(names) != 2 {
		t.Errorf("the broker decides on the number: %q, %v", names, err)
	}
}

// Far more than the broker sends ahead: the rest is estimated.
func TestLagOfWhatHasNotCome(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 1
	p, q := openProducer(t, o), openQueue(t, o)
	for i := range 3000 {
		queuetest.Send(t, p, i, i+1)
	}
	s := queuetest.Open(t, q, "")
	queuetest.ExpectLag(t, s, 3000)
	if err := s.Commit(t.Context(), queuetest.Read(t, s, 0, 3000)); err != nil || s.Lag() != (queue.Lag{}) {
		t.Errorf("everything is committed (%v): lag %+v", err, s.Lag())
	}
}

// Two that make the topic at the same time agree on it.
func TestMadeByManyAtOnce(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	sources := make(chan []string)
	for i := range 6 {
		go func() {
			o := o
			o.Partitions = 2 + i
			p, err := rabbitmq.OpenProducer(t.Context(), o)
			if err != nil {
				t.Error(err)
				sources <- nil
				return
			}
			defer func() { _ = p.Close() }()
			q, err := rabbitmq.OpenQueue(t.Context(), o)
			if err != nil {
				t.Error(err)
				sources <- nil
				return
			}
			defer func() { _ = q.Close() }()
			names, _ := q.Sources(t.Context()) // it may have none
			sources <- names
		}()
	}
	ids := map[string]bool{}
	for range 6 {
		for _, name := range <-sources {
			id, _, _ := strings.Cut(name, "/")
			ids[id] = true
		}
	}
	if len(ids) != 1 {
		t.Errorf("%d topics were made: %v", len(ids), ids)
	}
}

// With an end of its own, Send waits no longer than the options say.
func TestSendHasAnEnd(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.SendTimeout = time.Second
	reachable := true
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if !reachable {
			return nil, errors.New("the network is away")
		}
		reachable = false
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	p := openProducer(t, o)
	channel(t, o) // a second connection, so that the next has to be refused
	p.Break()
	if err := p.Send(context.Background(), []queue.Record{{Data: []byte("x")}}); err == nil || !strings.Contains(err.Error(), "network is away") && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
