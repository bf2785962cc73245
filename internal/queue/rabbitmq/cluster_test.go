package rabbitmq_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue/queuetest"
	"github.com/sluicehq/sluice/internal/queue/rabbitmq"
	"github.com/sluicehq/sluice/internal/testkit"
)

// nodes are three that the test may break, called by their ports.
type nodes struct {
	*testkit.Servers
	urls  []string
	ports []string
}

const clusterName = "rabbitmq-cluster"

func ownNodes(t *testing.T) nodes {
	t.Helper()
	n := nodes{Servers: testkit.OwnServers(t, clusterName)}
	addresses, err := n.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	n.urls = strings.Split(addresses["RABBITMQ_CLUSTER"], ",")
	for i := range n.urls {
		n.ports = append(n.ports, fmt.Sprint(n.Port+84+2*i))
	}
	return n
}

func (n nodes) signal(t *testing.T, signal syscall.Signal, ports ...string) {
	t.Helper()
	for _, port := range ports {
		if err := n.Signal(clusterName+"/"+port, signal); err != nil {
			t.Fatal(err)
		}
	}
}

// start brings back those that were killed.
func (n nodes) start(t *testing.T) {
	t.Helper()
	if err := n.Do("start", clusterName); err != nil {
		t.Fatal(err)
	}
}

// list asks the cluster, of which every node has to be there.
func list[row any](t *testing.T, n nodes, command ...string) []row {
	t.Helper()
	tool := filepath.Join(n.Dir, "engines", clusterName, n.ports[0], "rabbitmqctl")
	out, err := exec.Command(tool, append([]string{"--silent", "--formatter", "json"}, command...)...).Output()
	if err != nil {
		t.Fatalf("rabbitmqctl %s: %v: %s", strings.Join(command, " "), err, out)
	}
	var rows []row
	if err := json.Unmarshal(out, &rows); err != nil {
		t.Fatalf("rabbitmqctl %s: %v: %s", strings.Join(command, " "), err, out)
	}
	return rows
}

// stream is what the cluster says of one; its nodes are their Erlang names.
type stream struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Leader  string `json:"leader"`
	Members names  `json:"members"`
	Online  names  `json:"online"`
}

// names is "" for queues that are no streams.
type names []string

func (n *names) UnmarshalJSON(text []byte) error {
	if string(text) == `""` {
		return nil
	}
	return json.Unmarshal(text, (*[]string)(n))
}

// streams are those of a topic.
func (n nodes) streams(t *testing.T, topic string) []stream {
	t.Helper()
	return slices.DeleteFunc(list[stream](t, n, "list_queues", "name", "type", "leader", "members", "online"), func(s stream) bool {
		return s.Type != "stream" || s.Name != topic && !strings.HasPrefix(s.Name, topic+".")
	})
}

// leads is the port of the node that leads most streams.
func (n nodes) leads(t *testing.T, topic string) string {
	t.Helper()
	led := map[string]int{}
	for _, s := range n.streams(t, topic) {
		port, _, _ := strings.Cut(strings.TrimPrefix(s.Leader, "sluice-"), "@")
		led[port]++
	}
	t.Logf("streams that each leads: %v", led)
	return most(n.ports, led)
}

// connected is the port of the node that most connections have.
func (n nodes) connected(t *testing.T) string {
	t.Helper()
	has := map[string]int{}
	for _, c := range list[struct {
		Port int `json:"port"`
	}](t, n, "list_connections", "port") {
		has[fmt.Sprint(c.Port)]++
	}
	t.Logf("connections that each has: %v", has)
	return most(n.ports, has)
}

func most(ports []string, has map[string]int) string {
	return slices.MaxFunc(ports, func(a, b string) int { return has[a] - has[b] })
}

// others are the ports without one.
func (n nodes) others(port string) []string {
	return slices.DeleteFunc(slices.Clone(n.ports), func(p string) bool { return p == port })
}

// TestNodesAreAway kills and stops nodes of a cluster while records are sent and collected.
// What was sent is there, and only what was sent again more than once.
func TestNodesAreAway(t *testing.T) {
	t.Parallel()
	n := ownNodes(t)
	o := rabbitmq.Options{URLs: n.urls, Name: "clicks", Partitions: 6, SendTimeout: 5 * time.Second, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	p := openProducer(t, o)
	n.expectCopies(t, o.Name, 7, 3)
	few := o
	few.Name, few.Partitions, few.Replication = "few", 3, 2
	openProducer(t, few)
	n.expectCopies(t, few.Name, 4, 2)

	a, b := openQueue(t, o), openQueue(t, o)
	traffic := queuetest.StartTraffic(t, p, a, b)
	traffic.GoesOn(t, "at first")

	away := n.connected(t)
	n.signal(t, syscall.SIGKILL, away)
	traffic.GoesOn(t, "the node that they are connected to is killed")
	expectFinding(t, "127.0.0.1:"+away, p, a)
	n.start(t)
	traffic.GoesOn(t, "it is back")
	n.expectCopies(t, o.Name, 7, 3)

	n.signal(t, syscall.SIGKILL, n.leads(t, o.Name))
	traffic.GoesOn(t, "the node that leads most streams is killed")
	n.start(t)
	traffic.GoesOn(t, "it is back")
	n.expectCopies(t, o.Name, 7, 3)

	n.signal(t, syscall.SIGKILL, n.others(n.connected(t))...)
	traffic.Waits(t, "two of three are killed")
	n.start(t)
	traffic.GoesOn(t, "two are back")
	n.expectCopies(t, o.Name, 7, 3)

	away = n.connected(t)
	n.signal(t, syscall.SIGSTOP, away)
	stopped := time.Now()
	traffic.GoesOn(t, "the node that they are connected to is stopped")
	time.Sleep(time.Until(stopped.Add(15 * time.Second)))
	n.signal(t, syscall.SIGCONT, away)
	traffic.GoesOn(t, "it is continued")
	// RabbitMQ leaves it beside the cluster, which it does not notice by itself.
	n.signal(t, syscall.SIGKILL, away)
	n.start(t)
	traffic.GoesOn(t, "it is restarted")
	traffic.End(t, o.Partitions)
}

// expectCopies checks on how many nodes the streams of a topic are.
func (n nodes) expectCopies(t *testing.T, topic string, streams, copies int) {
	t.Helper()
	queuetest.Eventually(t, 20*time.Second, func() error {
		all := n.streams(t, topic)
		if len(all) != streams {
			return fmt.Errorf("the topic %s has %d streams, not %d: %+v", topic, len(all), streams, all)
		}
		for _, s := range all {
			if len(s.Members) != copies || len(s.Online) != copies {
				return fmt.Errorf("the stream %s is to be on %d nodes: %+v", s.Name, copies, s)
			}
		}
		return nil
	})
}

// expectFinding waits until examining says something of a node.
func expectFinding(t *testing.T, want string, examiners ...affiliate.Examiner) {
	t.Helper()
	for _, e := range examiners {
		queuetest.Eventually(t, 30*time.Second, func() error {
			findings, err := e.Examine(queuetest.Within(t, 20*time.Second), time.Now())
			if err == nil && (len(findings) != 1 || findings[0].Mend == "" || !strings.Contains(findings[0].Problem, want)) {
				err = fmt.Errorf("it finds %+v, want one of %s", findings, want)
			}
			return err
		})
	}
}
