package main

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/config"
)

func TestHostsOf(t *testing.T) {
	for url, want := range map[string][]string{
		"postgres://sluice@db.internal/sluice?sslmode=require": {"db.internal:5432"},
		"kafka://a:9092,b:9093,c":                              {"a:9092", "b:9093", "c:9092"},
		"amqps://user@[::1]:5671/vhost":                        {"[::1]:5671"},
		"clickhouse://sluice@ch":                               {"ch:9000"},
		"redis-cluster://r1:6379,r2:6379":                      {"r1:6379", "r2:6379"},
	} {
		if got := hostsOf(url); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

// While nothing runs here, doctor says which servers do not answer.
func TestDoctorLooksForServers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	d := &doctor{}
	d.config.Store = config.Store{Engine: config.Postgres, URL: "postgres://sluice@" + l.Addr().String() + "/sluice"}
	d.config.Queue = config.Queue{Engine: config.Kafka, URL: "kafka://127.0.0.1:1,127.0.0.1:2"}
	d.config.Distribution = config.Distribution{Engine: config.Redis, URL: "redis-cluster://127.0.0.1:1," + l.Addr().String()}
	d.engines(t.Context())
	got := map[string]finding{}
	for _, f := range d.findings {
		got[f.Check] = f
	}
	for room, want := range map[string]string{"store": checkOK, "queue": checkFail, "distribution": checkWarn} {
		if f := got[room]; f.Status != want {
			t.Errorf("%s: %+v, want %s", room, f, want)
		}
	}
	if _, ok := got["analytics"]; ok || !strings.Contains(got["queue"].Remedy, "queue.url") {
		t.Errorf("got %+v", d.findings)
	}
	d = &doctor{running: true, config: d.config}
	if d.engines(t.Context()); len(d.findings) > 0 {
		t.Errorf("what the server says itself is said twice: %+v", d.findings)
	}
}
