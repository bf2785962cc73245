package config_test

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluicehq/sluice/internal/config"
)

var update = flag.Bool("update", false, "rewrite the messages beside the bad examples")

func TestDefaultsAreValid(t *testing.T) {
	c, err := config.Load(config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default(), c, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
}

// Each bad example must produce the message in the file beside it.
func TestBadExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad examples: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, err := config.Load(config.Source{File: name})
			var all *config.Error
			if !errors.As(err, &all) {
				t.Fatalf("the error is %v", err)
			}
			golden := strings.TrimSuffix(name, ".yml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), all.Error()+"\n"); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryKeyCanBeSet(t *testing.T) {
	got, err := config.Load(config.Source{File: "testdata/everything.good.yml"})
	if err != nil {
		t.Fatal(err)
	}
	const secret = "the-word-that-all-nodes-have-in-common" // what the file has
	want := config.Config{
		Data: "/var/lib/sluice", Listen: ":80", Admin: "[::1]:8081", Role: config.Redirect, PublicURL: "https://go.example.com/", Node: 7,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::1/128")}, ProxyProtocol: true, Loops: 3, CountryHeader: "CF-IPCountry",
		Log:     config.Log{Level: "debug", Format: "json"},
		Journal: config.Journal{SegmentBytes: 64 * config.MiB, SyncInterval: config.Duration(100 * time.Millisecond), MaxBytes: 10 * config.GiB, Keep: 7 * config.Day, KeepBytes: 20 * config.GiB},
		Cookie:  config.Cookie{Name: "visitor", Insecure: true, TTL: 30 * config.Day},
		Privacy: config.Privacy{StoreIP: config.StoreNone, HonorDNT: true},
		Geo:     config.Geo{CountryFile: "/geo/country.mmdb", ASNFile: "/geo/asn.mmdb"},
		Store:   config.Store{Engine: config.Postgres, URL: "postgres://sluice@db:5432/sluice", Password: "word", Schema: "links", Connections: 9},
		Queue: config.Queue{Engine: config.Kafka, URL: "kafka://a:9092,b:9092", User: "clicks", Password: secret, Mechanism: "SCRAM-SHA-512", CAFile: "/tls/ca.pem", Name: "clicks",
			Partitions: 24, Replication: 3, Retention: 3 * config.Day},
		Analytics: config.Analytics{Engine: config.ClickHouse, URL: "clickhouse://sluice@c:9000", Password: "word", Database: "reports", Cluster: "many", Quorum: 3,
			MemoryLimit: config.GiB, Threads: 2},
		Distribution: config.Distribution{Engine: config.Redis, URL: "redis-cluster://r:6379,s:6379", Password: "word", CAFile: "/tls/ca.pem", Name: "links"},
		Cluster:      config.Cluster{Secret: secret, AlsoAccept: "another-word-that-all-nodes-had-before"},
		Limits: config.Limits{HeaderBytes: 8 * config.KiB, BodyBytes: 2 * config.MiB, ImportBytes: 512 * config.MiB,
			Connections: 1000, OtherConnections: 100, UnfinishedBytes: 8 * config.MiB, HeaderTimeout: config.Duration(5 * time.Second),
			IdleTimeout: config.Duration(time.Minute), WriteTimeout: config.Duration(3 * time.Second)},
		TLS: config.TLS{
			Listen: ":443", HSTS: 365 * config.Day, Connections: 500,
			Certificates: []config.Certificate{{Cert: "/tls/one.pem", Key: "/tls/one.key"}, {Cert: "/tls/two.pem", Key: "/tls/two.key"}},
			ACME:         config.ACME{Domains: []string{"go.example.com", "go.example.org"}, Email: "ops@example.com", Directory: "https://ca.example/dir", CAFile: "/tls/ca.pem"},
		},
		Metrics:  config.Metrics{Token: "0123456789abcdef"},
		Webhooks: config.Webhooks{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, AllowPlain: true},
		Ingest:   config.Ingest{MaxAge: 90 * config.Day},

		LeaveTimeout:    config.Duration(2 * time.Second),
		ShutdownTimeout: config.Duration(90 * time.Second),
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
	text, err := os.ReadFile("testdata/everything.good.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range config.Paths() {
		if key := path[strings.LastIndexByte(path, '.')+1:]; !strings.Contains(string(text), key+":") && path != "cluster.secret" && path != "cluster.also_accept_file" {
			t.Errorf("testdata/everything.good.yml does not show %s", path)
		}
	}
}

func TestFlagsBeatEnvironmentBeatsFile(t *testing.T) {
	from := config.Source{
		File: "testdata/everything.good.yml",
		Environ: []string{"SLUICE_JOURNAL_SEGMENT_BYTES=32MiB", "SLUICE_LISTEN=:81", "SLUICE_TRUSTED_PROXIES=192.0.2.0/24, 198.51.100.7",
			"SLUICE_TLS_CERTIFICATES=/a.pem:/a.key,/b.pem:/b.key", "SLUICE_TLS_ACME_DOMAINS=a.example b.example", "SLUICE_URL=x", "SLUICE_PORT_8080_TCP=tcp://10.0.0.1", "HOME=/"},
		Flags: map[string]string{"listen": ":82"},
	}
	c, err := config.Load(from)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != ":82" || c.Journal.SegmentBytes != 32*config.MiB || c.Data != "/var/lib/sluice" {
		t.Errorf("listen %q, segment %s, data %q", c.Listen, c.Journal.SegmentBytes, c.Data)
	}
	if got := c.TLS.Certificates; len(got) != 2 || got[1] != (config.Certificate{Cert: "/b.pem", Key: "/b.key"}) {
		t.Errorf("certificates %v", got)
	}
	if got := strings.Join(c.TLS.ACME.Domains, " "); got != "a.example b.example" {
		t.Errorf("domains %q", got)
	}
	if len(c.TrustedProxies) != 2 || c.TrustedProxies[1].String() != "198.51.100.7/32" {
		t.Errorf("proxies %v", c.TrustedProxies)
	}
}

func TestFaultsSayWhereTheValueCameFrom(t *testing.T) {
	_, err := config.Load(config.Source{
		Environ: []string{"SLUICE_ROLE=x", "SLUICE_LISTN=:1", "SLUICE_NODE=many"},
		Flags:   map[string]string{"admin": "y", "log.level": "z"},
	})
	want := `the configuration has 5 faults:
  SLUICE_LISTN: there is no such variable; did you mean SLUICE_LISTEN?
  SLUICE_NODE: node: "many" is not a whole number
  --admin: admin: "y" is not an address; write HOST:PORT such as 127.0.0.1:8080, or :8080 for every interface
  SLUICE_ROLE: role: "x" is not one of all, redirect, control, pipeline
  --level: log.level: "z" is not one of debug, info, warn, error`
	if err == nil || err.Error() != want {
		t.Error(cmp.Diff(want, err.Error()))
	}
}

func TestEmptyAndMissingFiles(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.yml")
	if err := os.WriteFile(empty, []byte("# nothing\njournal:\nlisten:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := config.Load(config.Source{File: empty}); err != nil || c.Listen != config.Default().Listen {
		t.Errorf("%v, %v", c.Listen, err)
	}
	_, err := config.Load(config.Source{File: "testdata/absent.yml"})
	if err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]config.Bytes{"0": 0, "17": 17, "1KiB": 1024, "16 mib": 16 << 20, "3GiB": 3 << 30, "2TiB": 2 << 40} {
		var b config.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: %d, %v", text, b, err)
		}
		var again config.Bytes
		if err := again.UnmarshalText([]byte(b.String())); err != nil || again != b {
			t.Errorf("%s comes back from %s as %d, %v", text, b, again, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "16MB", "99999999TiB"} {
		var b config.Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %d", text, b)
		}
	}
	for text, want := range map[string]time.Duration{"50ms": 50 * time.Millisecond, "30d": 720 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want || d.String() != text {
			t.Errorf("%s: %s, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "5", "-1s", "d", "soon"} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %s", text, d)
		}
	}
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yml")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		name := filepath.Join(dir, "f.yml")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := config.Load(config.Source{File: name}); err == nil && c.Validate() != nil {
			t.Errorf("Load let through what Validate refuses: %v", c.Validate())
		}
	})
}
