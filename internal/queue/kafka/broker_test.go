package kafka_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/kafka"
	"github.com/sluicehq/sluice/internal/queue/queuetest"
)

func TestOpeningSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	elsewhere := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == o.Servers[0] {
			return nil, errors.New("no route to host")
		}
		return (&net.Dialer{}).DialContext(ctx, network, strings.Replace(address, "configured", "127.0.0.1", 1))
	}
	_, port, err := net.SplitHostPort(o.Servers[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(o *kafka.Options)
		code   affiliate.Code
		say    []string
	}{
		"nobody listens":       {func(o *kafka.Options) { o.Servers = []string{"127.0.0.1:1"} }, affiliate.Unavailable, []string{"127.0.0.1:1", "check that it runs"}},
		"advertised elsewhere": {func(o *kafka.Options) { o.Servers, o.Dial = []string{"configured:" + port}, elsewhere }, affiliate.Unavailable, []string{o.Servers[0], "advertised.listeners"}},
		"TLS on a plain port":  {func(o *kafka.Options) { o.TLS = true }, "", []string{"does not speak TLS"}},
		"a password for none":  {func(o *kafka.Options) { o.User, o.Password = "somebody", "secret-word" }, affiliate.Unsigned, []string{"does not ask for a user"}},
		"no port":              {func(o *kafka.Options) { o.Servers = []string{"host"} }, affiliate.Invalid, []string{"host:port"}},
		"too many copies":      {func(o *kafka.Options) { o.Replication = 5 }, affiliate.Invalid, []string{"5 copies"}},
		"no such mechanism":    {func(o *kafka.Options) { o.Mechanism = "KERBEROS" }, affiliate.Invalid, []string{"SCRAM-SHA-256"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := o
			c.change(&o)
			_, errQueue := kafka.OpenQueue(queuetest.Within(t, 8*time.Second), o)
			_, errProducer := kafka.OpenProducer(queuetest.Within(t, 8*time.Second), o)
			for _, err := range []error{errQueue, errProducer} {
				queuetest.ExpectRefusal(t, err, c.code, c.say...)
			}
		})
	}
}

// A topic of the same name is another: it begins with offset 0 as well.
func TestAReplacedTopicIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 1
	p, q := openProducer(t, o), openQueue(t, o)
	queuetest.Send(t, p, 0, 20)
	s := queuetest.Open(t, q, "")
	at := queuetest.Read(t, s, 0, 20)
	before := queuetest.Sources(t, q)
	_ = p.Close()
	if _, err := admin(t).DeleteTopics(t.Context(), o.Topic); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // a name is free a moment after
	p = openProducer(t, o)
	queuetest.Send(t, p, 0, 5)
	queuetest.Eventually(t, 30*time.Second, func() error {
		names, err := q.Sources(queuetest.Soon(t))
		if err != nil || len(names) != 1 || names[0] == before[0] {
			return fmt.Errorf("the sources are still %q (%v)", names, err)
		}
		return nil
	})
	if _, err := s.Take(queuetest.Soon(t), 1); !errors.Is(err, queue.ErrMoved) {
		t.Errorf("the source of the old topic: %v", err)
	}
	if _, err := q.Open(t.Context(), before[0], at); affiliate.CodeOf(err) != affiliate.NotFound {
		t.Errorf("the old topic can be opened: %v", err)
	}
	queuetest.Read(t, queuetest.Open(t, q, ""), 0, 5)
}

// The log has been cut, as after an election of a broker that lacked records.
func TestAPositionBehindTheEnd(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 1
	p, q := openProducer(t, o), openQueue(t, o)
	queuetest.Send(t, p, 0, 10)
	s := queuetest.Open(t, q, "500")
	queuetest.Send(t, p, 10, 15)
	queuetest.Read(t, s, 10, 5)
}

// What is removed under a reader that is slow is lost as well.
func TestLostWhileReading(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 1
	p, q := openProducer(t, o), openQueue(t, o)
	queuetest.Send(t, p, 0, 10)
	s := queuetest.Open(t, q, "")
	queuetest.Read(t, s, 0, 10)
	long := make([]queue.Record, 1000)
	for i := range long {
		long[i].Data = make([]byte, 60<<10) // far more than is fetched ahead
		long[i].Data[0], long[i].Data[1] = byte(i>>8), byte(i)
		for j := 2; j < len(long[i].Data); j++ { // it must not become short by compression
			long[i].Data[j] = byte(i*31 ^ j*17 ^ j>>8*(i+3))
		}
	}
	for i := 0; i < len(long); i += 100 {
		if err := p.Send(queuetest.Soon(t), long[i:i+100]); err != nil {
			t.Fatal(err)
		}
	}
	var cut kadm.Offsets
	cut.Add(kadm.Offset{Topic: o.Topic, Partition: 0, At: 10 + 900})
	if _, err := admin(t).DeleteRecords(t.Context(), cut); err != nil {
		t.Fatal(err)
	}
	taken, last := 0, -1
	for last < 999 {
		b, err := s.Take(queuetest.Soon(t), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			n := int(r[0])<<8 | int(r[1])
			if n <= last {
				t.Fatalf("record %d came after %d", n, last)
			}
			last = n
			taken++
		}
	}
	if lost := int(s.Lost()); lost == 0 || taken+lost != 1000 {
		t.Errorf("%d of 1000 were taken, %d are said to be lost", taken, lost)
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 2
	p := openProducer(t, o)
	findings, err := p.Examine(queuetest.Soon(t), time.Now())
	if err != nil || len(findings) != 1 || findings[0].Harmful || !strings.Contains(findings[0].Problem, "one broker") {
		t.Errorf("a topic as it should be on one broker: %+v, %v", findings, err)
	}
	value := func(s string) *string { return &s }
	if _, err := admin(t).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{
		{Name: "unclean.leader.election.enable", Value: value("true")},
		{Name: "cleanup.policy", Value: value("compact,delete")},
		{Name: "retention.ms", Value: value("3600000")},
		{Name: "max.message.bytes", Value: value("100000")},
	}, o.Topic); err != nil {
		t.Fatal(err)
	}
	o.Partitions = 4
	q := openQueue(t, o)
	queuetest.Eventually(t, 20*time.Second, func() error { // a broker heeds a change a moment after it has agreed
		findings, err := q.Examine(queuetest.Soon(t), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return expectFindings(findings, map[string]bool{
			"has 2 partitions, not 4": false, "keeps records for 1h": false, "batches of 100000 bytes": false,
			"lacks records": true, "is compacted": true,
		})
	})
	queuetest.Eventually(t, 20*time.Second, func() error { // the broker decides on the number
		if names := queuetest.Sources(t, q); len(names) != 2 {
			return fmt.Errorf("the sources are %q", names)
		}
		return nil
	})
}

// expectFindings reports which problems are not named, each with whether it is harmful.
func expectFindings(findings []affiliate.Finding, want map[string]bool) error {
	said := map[bool]string{}
	for _, f := range findings {
		said[f.Harmful] += f.Problem + "\n"
		if f.Mend == "" {
			return fmt.Errorf("there is no way to mend %+v", f)
		}
	}
	for problem, harmful := range want {
		if !strings.Contains(said[harmful], problem) {
			return fmt.Errorf("no word of %q (harmful %v) in\n%s", problem, harmful, said[harmful])
		}
	}
	return nil
}

// The topic takes only short batches: the records are not too long, the topic is wrong.
func TestATopicThatTakesLittle(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	p := openProducer(t, o)
	value := "2000"
	if _, err := admin(t).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &value}}, o.Topic); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 8000)
	_, _ = rand.Read(data) // so that it does not become short by compression
	var err error
	queuetest.Eventually(t, 20*time.Second, func() error { // a broker heeds a change a moment after it has agreed
		if err = p.Send(queuetest.Soon(t), []queue.Record{{Data: data}}); err == nil {
			return errors.New("the topic takes what is too long for it")
		}
		return nil
	})
	if affiliate.CodeOf(err) != affiliate.TooLarge || !strings.Contains(err.Error(), "max.message.bytes") {
		t.Errorf("got %v", err)
	}
}

// The group's offsets are for tools that show the lag.
func TestTheGroupIsTold(t *testing.T) {
	t.Parallel()
	o := optionsOf(t)
	o.Partitions = 1
	p, q := openProducer(t, o), openQueue(t, o)
	queuetest.Send(t, p, 0, 100)
	s := queuetest.Open(t, q, "")
	if err := s.Commit(t.Context(), queuetest.Read(t, s, 0, 60)); err != nil {
		t.Fatal(err)
	}
	queuetest.ExpectLag(t, s, 40)
	broker := admin(t)
	queuetest.Eventually(t, 20*time.Second, func() error {
		offsets, err := broker.FetchOffsets(queuetest.Soon(t), o.Topic)
		if at, ok := offsets.Lookup(o.Topic, 0); err != nil || !ok || at.At != 60 {
			return fmt.Errorf("the group has %v (%v)", offsets, err)
		}
		return nil
	})
	queuetest.Read(t, queuetest.Open(t, q, ""), 0, 100) // and nobody's business
}
