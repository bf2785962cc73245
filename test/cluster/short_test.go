package main

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"
)

// The drills that every change must pass; make drills runs all of them.
func TestDrills(t *testing.T) {
	if os.Getenv("SLUICE_DRILLS") != "" {
		t.Skip("the long drills have been asked for")
	}
	for _, broker := range []string{"rabbitmq", "kafka"} {
		t.Run(broker, func(t *testing.T) {
			r := newRig(t, Options{Broker: broker, Replicas: broker == "kafka", Redirects: 2, Controls: 2, Pipelines: 2, Port: 15000, Sources: 6}, 300)
			r.run(drill{"a node that answers visitors is killed", killNode(func(r *rig) *Node { return r.Redirect[0] }), time.Second})
			r.run(drill{"a collector is killed", killNode(func(r *rig) *Node { return r.Pipeline[0] }), 3 * time.Second})
			r.run(drill{"the broker is killed", killEngine(broker), 3 * time.Second})
			if r.Replicas {
				r.run(drill{"a replica of the reports is killed", killReplica, 3 * time.Second})
			}
		})
	}
}

// killNode kills a process and starts it again.
func killNode(which func(*rig) *Node) func(*rig) (func() error, error) {
	return func(r *rig) (func() error, error) {
		n := which(r)
		n.process.Kill()
		return func() error {
			if err := n.Start(); err != nil {
				return err
			}
			return n.Ready(r.Context())
		}, nil
	}
}

// pauseNode stops a process in its tracks.
func pauseNode(which func(*rig) *Node) func(*rig) (func() error, error) {
	return func(r *rig) (func() error, error) {
		n := which(r)
		return func() error { return n.process.Signal(syscall.SIGCONT) }, n.process.Signal(syscall.SIGSTOP)
	}
}

// killReplica kills the server of ClickHouse that collectors and reports ask, and starts it again.
func killReplica(r *rig) (func() error, error) {
	name := r.clicksEngine()
	return func() error { return r.Engines("start", name) }, r.servers().Signal(fmt.Sprintf("%s/%d", name, r.servers().Port+60), syscall.SIGKILL)
}

// killEngine kills a server and starts it again.
func killEngine(name string) func(*rig) (func() error, error) {
	return func(r *rig) (func() error, error) {
		return func() error { return r.Engines("start", name) }, r.Engines("kill", name)
	}
}
