package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// minute is for how long servers are away; SLUICE_DRILLS=30s makes it shorter.
func minute(t *testing.T) time.Duration {
	d, err := time.ParseDuration(os.Getenv("SLUICE_DRILLS"))
	if err != nil {
		t.Fatalf("SLUICE_DRILLS: %v; it is how long servers are away, such as 60s", err)
	}
	return d
}

// All drills, one after the other, on one cluster whose clicks are accounted for from first to
// last. It takes about half an hour for each broker; the table is that of docs/reliability.md.
func TestLongDrills(t *testing.T) {
	if os.Getenv("SLUICE_DRILLS") == "" {
		t.Skip("make drills runs them (SLUICE_DRILLS=60s)")
	}
	away, brokers := minute(t), []string{"kafka", "rabbitmq"}
	only, err := regexp.Compile(os.Getenv("SLUICE_DRILLS_ONLY"))
	if err != nil {
		t.Fatalf("SLUICE_DRILLS_ONLY: %v", err)
	}
	if b := os.Getenv("SLUICE_DRILLS_BROKER"); b != "" {
		brokers = []string{b}
	}
	for _, broker := range brokers {
		t.Run(broker, func(t *testing.T) {
			r := newRig(t, Options{Broker: broker, Redirects: 3, Controls: 2, Pipelines: 2, Port: 17000, Sources: 12, Separate: true}, 500)
			var all []outcome
			for _, d := range longDrills(broker, away) {
				if !only.MatchString(d.name) {
					continue
				}
				all = append(all, r.run(d))
				r.table(broker, all)
			}
		})
	}
}

func longDrills(broker string, away time.Duration) (all []drill) {
	for i := range 3 {
		all = append(all, drill{fmt.Sprintf("redirect node %d: kill -9", i+1), killNode(func(r *rig) *Node { return r.Redirect[i] }), 3 * time.Second})
	}
	for i := range 2 {
		all = append(all,
			drill{fmt.Sprintf("control node %d: kill -9", i+1), killNode(func(r *rig) *Node { return r.Control[i] }), 5 * time.Second},
			drill{fmt.Sprintf("collector %d: kill -9", i+1), killNode(func(r *rig) *Node { return r.Pipeline[i] }), 12 * time.Second})
	}
	return append(all,
		drill{"redirect node: replaced (serve --replace)", replaceNode(func(r *rig) *Node { return r.Redirect[0] }), 3 * time.Second},
		drill{"every process in turn and at random: kill -9, 10 times", killAtRandom(10), 0},
		drill{"collector: SIGSTOP, longer than its lease on sources", pauseNode(func(r *rig) *Node { return r.Pipeline[0] }), 25 * time.Second},
		drill{"control node: SIGSTOP, longer than its lease", pauseNode(func(r *rig) *Node { return r.Control[0] }), 25 * time.Second},
		drill{"redirect node: SIGSTOP", pauseNode(func(r *rig) *Node { return r.Redirect[0] }), 15 * time.Second},
		drill{"Redis Cluster: all six killed", killEngine("redis-cluster"), away},
		drill{"Redis Cluster: one master killed, its replica takes over", killMaster, 15 * time.Second},
		drill{"Redis Cluster: flushed", flushRedis, 3 * time.Second},
		drill{"PostgreSQL: killed", killEngine("postgres"), away},
		drill{"ClickHouse: killed", killEngine("clickhouse"), away},
		drill{"broker: killed", killEngine(broker), away},
		drill{"broker: SIGSTOP", pauseEngine(broker), away},
		drill{"broker: its disk is full", fullBroker(broker), away / 2},
		drill{"redirect node: cut off from all servers", cutOff(func(r *rig) *Node { return r.Redirect[1] }), 25 * time.Second},
		drill{"control node: cut off from all servers", cutOff(func(r *rig) *Node { return r.Control[1] }), 25 * time.Second},
		drill{"collector: cut off from all servers", cutOff(func(r *rig) *Node { return r.Pipeline[1] }), 25 * time.Second},
		drill{"everything: stopped and started, visitors meanwhile at one node", restartAll, 0},
	)
}

// killAtRandom kills n processes of ours, one after the other; each is back before the next.
func killAtRandom(n int) func(*rig) (func() error, error) {
	return func(r *rig) (func() error, error) {
		random := rand.New(rand.NewPCG(r.seed, 1))
		all := r.Nodes()
		for i := range n {
			x := all[(i+random.IntN(len(all)))%len(all)]
			x.process.Kill()
			time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
			if err := errors.Join(x.Start(), x.Ready(r.Context())); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

// replaceNode lets a new process take over from one that runs.
func replaceNode(which func(*rig) *Node) func(*rig) (func() error, error) {
	return func(r *rig) (func() error, error) {
		n := which(r)
		before := n.process
		next := &Process{name: before.name, log: before.log, args: append(slices.Clone(before.args), "--replace")}
		if err := next.Start(); err != nil {
			return nil, err
		}
		n.process = next
		select {
		case <-before.done:
		case <-time.After(time.Minute):
			return nil, fmt.Errorf("%s was not replaced", n.name)
		}
		next.args = before.args
		return nil, n.Ready(r.Context())
	}
}

// pauseEngine stops a server in its tracks.
func pauseEngine(name string) func(*rig) (func() error, error) {
	return func(r *rig) (func() error, error) {
		return func() error { return r.servers().Signal(name, syscall.SIGCONT) }, r.servers().Signal(name, syscall.SIGSTOP)
	}
}

func (r *rig) redisPort(n int) string { return strconv.Itoa(r.Port + 100 + n) }

// killMaster kills the master that has the links.
func killMaster(r *rig) (func() error, error) {
	slot, err := exec.Command("redis-cli", "-p", r.redisPort(1), "cluster", "keyslot", "{sluice}:head").Output()
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(slot)))
	if err != nil {
		return nil, err
	}
	nodes, err := exec.Command("redis-cli", "-p", r.redisPort(1), "cluster", "nodes").Output()
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(nodes)) {
		words := strings.Fields(line)
		if len(words) < 9 || !strings.Contains(words[2], "master") {
			continue
		}
		for _, span := range words[8:] {
			var from, to int
			if n, _ := fmt.Sscanf(span, "%d-%d", &from, &to); n != 2 || number < from || number > to {
				continue
			}
			port := words[1][strings.LastIndex(words[1][:strings.Index(words[1], "@")], ":")+1 : strings.Index(words[1], "@")]
			return func() error { return r.Engines("start", "redis-cluster") }, r.servers().Signal("redis-cluster/"+port, syscall.SIGKILL)
		}
	}
	return nil, fmt.Errorf("no master has slot %d:\n%s", number, nodes)
}

// flushRedis removes everything from all masters.
func flushRedis(r *rig) (func() error, error) {
	out, err := exec.Command("redis-cli", "--cluster", "call", "127.0.0.1:"+r.redisPort(1), "flushall").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return nil, err
}

// fullBroker leaves the broker no space: RabbitMQ is told that it needs more than there is, and
// Kafka's files may grow no more.
func fullBroker(broker string) func(*rig) (func() error, error) {
	if broker == "rabbitmq" {
		limit := func(r *rig, size string) error {
			out, err := exec.Command(filepath.Join(r.Dir, "engines", "rabbitmq", "rabbitmqctl"), "set_disk_free_limit", size).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			return err
		}
		return func(r *rig) (func() error, error) {
			return func() error { return limit(r, "50MB") }, limit(r, "900000GB")
		}
	}
	// A broker that cannot write ends, as it should, and is started again by its operator.
	return func(r *rig) (func() error, error) {
		pid, err := r.servers().Pid(broker)
		if err != nil {
			return nil, err
		}
		out, err := exec.Command("prlimit", "--pid", strconv.Itoa(pid), "--fsize=1000000:1000000").CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		return func() error {
			return errors.Join(r.Engines("kill", broker), r.Engines("start", broker))
		}, nil
	}
}

// cutOff drops what a process sends to any server, without a word to it: connections hang, as they
// do when a network is partitioned. Every process runs as a user of its own, by which the kernel
// tells its packets apart. Its visitors still reach it.
func cutOff(which func(*rig) *Node) func(*rig) (func() error, error) {
	return func(r *rig) (func() error, error) {
		n := which(r)
		rule := func(verb string) error {
			out, err := exec.Command("iptables", verb, "OUTPUT", "-p", "tcp", "-m", "owner", "--uid-owner", strconv.Itoa(n.user()),
				"--dport", fmt.Sprintf("%d:%d", r.Port+100, r.Port+199), "-j", "DROP").CombinedOutput()
			if err != nil {
				return fmt.Errorf("packets cannot be dropped: %w: %s", err, out)
			}
			return nil
		}
		r.Cleanup(func() { _ = rule("-D") }) // gone already when all is well
		return func() error { return rule("-D") }, rule("-I")
	}
}

// restartAll stops everything but one node that answers visitors, which has its links on disk, and
// starts it again.
func restartAll(r *rig) (func() error, error) {
	for _, n := range slices.Concat(r.Pipeline, r.Control, r.Redirect[1:]) {
		n.process.Kill()
	}
	if err := r.Engines("stop", r.engineNames()...); err != nil {
		return nil, err
	}
	if err := r.Engines("start", r.engineNames()...); err != nil {
		return nil, err
	}
	var errs []error
	for _, n := range slices.Concat(r.Control, r.Redirect[1:], r.Pipeline) {
		errs = append(errs, n.Start())
	}
	for _, n := range r.Nodes() {
		errs = append(errs, n.Ready(r.Context()))
	}
	return nil, errors.Join(errs...)
}

// table writes what was met, as it stands in docs/reliability.md.
func (r *rig) table(broker string, all []outcome) {
	r.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "| with %s | visits | not redirected | p99, max | clicks lost | doubled | orders, sent again | complete after | a change is everywhere |\n|---|---|---|---|---|---|---|---|---|\n", broker)
	for _, o := range all {
		v := o.visits
		fmt.Fprintf(&b, "| %s | %d | %d | %.0f, %.0f ms | %d | %d | %d, %d | %.1f s | %s |\n", o.drill, v.Answered, v.Refused+v.Wrong+v.Broken+v.Unanswered,
			v.Wait.P99, v.Wait.Max, o.compared.Lost, o.compared.Doubled, o.orders, o.refused, o.behind.Seconds(), slices.Max(o.propagated).Round(time.Millisecond))
	}
	path := filepath.Join(os.TempDir(), "sluice-drills-"+broker+".md")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		r.Error(err)
	}
}
