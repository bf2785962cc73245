// Package config is the typed tree of everything that can be set, and the one
// place where it is read and checked.
//
// Every key has a default in Default; a configuration file is optional. Values
// come, each over the one before, from the defaults, the file, the environment
// (SLUICE_ and the path in capitals: journal.segment_bytes is
// SLUICE_JOURNAL_SEGMENT_BYTES) and flags. Load refuses unknown keys and bad
// values, and reports all of them at once, each with its place.
package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Config is the tree. The names of the keys are a promise to users.
type Config struct {
	// Data is the folder that holds everything Sluice keeps.
	Data string `yaml:"data"`
	// Listen is the address that visitors reach.
	Listen string `yaml:"listen"`
	// Admin is the address of dashboard, API, health and metrics.
	Admin string `yaml:"admin"`
	// Role is which parts of Sluice this process runs.
	Role Role `yaml:"role"`
	// PublicURL is how visitors see Listen, such as https://example.com; it is
	// what commands and the dashboard print in front of a link's name.
	PublicURL string `yaml:"public_url"`
	// Node tells apart the machines that make click ids.
	Node int `yaml:"node"`
	// TrustedProxies may say on whose behalf they ask (X-Forwarded-For, Forwarded).
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	// ProxyProtocol says that trusted proxies begin each connection with a PROXY
	// protocol header.
	ProxyProtocol bool `yaml:"proxy_protocol"`
	// Loops is how many event loops answer visitors; 0 is one for each core.
	Loops int `yaml:"loops"`
	// CountryHeader is a header in which a trusted proxy names the visitor's
	// country, such as CF-IPCountry.
	CountryHeader string `yaml:"country_header"`

	Log       Log       `yaml:"log"`
	Journal   Journal   `yaml:"journal"`
	Cookie    Cookie    `yaml:"cookie"`
	Privacy   Privacy   `yaml:"privacy"`
	Geo       Geo       `yaml:"geo"`
	Store     Store     `yaml:"store"`
	Queue     Queue     `yaml:"queue"`
	Analytics Analytics `yaml:"analytics"`
	// Distribution carries links from control nodes to those that answer visitors.
	Distribution Distribution `yaml:"distribution"`
	Cluster      Cluster      `yaml:"cluster"`
	Limits       Limits       `yaml:"limits"`
	TLS          TLS          `yaml:"tls"`
	Metrics      Metrics      `yaml:"metrics"`
	Webhooks     Webhooks     `yaml:"webhooks"`
	Ingest       Ingest       `yaml:"ingest"`

	// LeaveTimeout bounds how long a process that has been replaced waits for its
	// visitors to end their connections.
	LeaveTimeout Duration `yaml:"leave_timeout"`
	// ShutdownTimeout bounds how long a stop waits for requests under way and
	// for clicks to reach the reports.
	ShutdownTimeout Duration `yaml:"shutdown_timeout"`
}

// Webhooks says where outgoing events may be sent.
type Webhooks struct {
	// AllowPrivate are networks of the operator's own that receivers may stand in.
	AllowPrivate []netip.Prefix `yaml:"allow_private"`
	// AllowPlain lets receivers be spoken to by http.
	AllowPlain bool `yaml:"allow_plain"`
}

// Ingest says which clicks that were made elsewhere are taken in.
type Ingest struct {
	MaxAge Duration `yaml:"max_age"` // older ones are refused
}

// Role is which parts of Sluice a process runs.
type Role string

// The roles.
const (
	All      Role = "all"
	Redirect Role = "redirect" // answers visitors
	Control  Role = "control"  // links, API, dashboard
	Pipeline Role = "pipeline" // brings clicks into the reports
)

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text, json
}

// Journal says how clicks are kept on disk until they are in the reports.
type Journal struct {
	SegmentBytes Bytes    `yaml:"segment_bytes"`
	SyncInterval Duration `yaml:"sync_interval"` // what a power cut can take
	MaxBytes     Bytes    `yaml:"max_bytes"`     // 0: as much as the disk has
	Keep         Duration `yaml:"keep"`          // how long shipped segments stay, compressed
	KeepBytes    Bytes    `yaml:"keep_bytes"`    // how much they may take; both 0: none stay
}

// Cookie is the visitor's.
type Cookie struct {
	Name     string   `yaml:"name"`
	Insecure bool     `yaml:"insecure"` // leave out Secure, for plain HTTP on a test machine
	TTL      Duration `yaml:"ttl"`
}

// Privacy says what is kept of a visitor.
type Privacy struct {
	StoreIP  StoreIP `yaml:"store_ip"`
	HonorGPC bool    `yaml:"honor_gpc"` // no cookie and no whole address for Sec-GPC: 1
	HonorDNT bool    `yaml:"honor_dnt"` // the same for DNT: 1
}

// StoreIP is how much of an address outlives the journal.
type StoreIP string

// The choices. Truncated keeps /24 of IPv4 and /48 of IPv6.
const (
	StoreTruncated StoreIP = "truncated"
	StoreFull      StoreIP = "full"
	StoreNone      StoreIP = "none"
)

// Geo names MMDB files to use instead of the built-in data.
type Geo struct {
	CountryFile string `yaml:"country_file"`
	ASNFile     string `yaml:"asn_file"`
}

// Engine is what stands under a room.
type Engine string

// The engines, of the store, the queue, the analytics and the distribution.
const (
	SQLite     Engine = "sqlite"
	Postgres   Engine = "postgres"
	InJournal  Engine = "journal"
	RabbitMQ   Engine = "rabbitmq"
	Kafka      Engine = "kafka"
	DuckDB     Engine = "duckdb"
	ClickHouse Engine = "clickhouse"
	None       Engine = "none"
	Redis      Engine = "redis"
)

// Store says where links, users and books are kept.
type Store struct {
	Engine       Engine `yaml:"engine"`
	URL          string `yaml:"url"` // of PostgreSQL, without its password
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	Schema       string `yaml:"schema"` // of PostgreSQL, in which everything is
	Connections  int    `yaml:"connections"`
}

// Queue says how clicks get from the journals to the reports.
type Queue struct {
	Engine       Engine   `yaml:"engine"`
	URL          string   `yaml:"url"` // amqp://HOST:PORT/VHOST, or kafka://HOST:PORT,HOST:PORT
	User         string   `yaml:"user"`
	Password     string   `yaml:"password"`
	PasswordFile string   `yaml:"password_file"`
	Mechanism    string   `yaml:"mechanism"` // how Kafka is shown the password
	CAFile       string   `yaml:"ca_file"`
	Name         string   `yaml:"name"`        // of the topic, or the start of the streams' names
	Partitions   int      `yaml:"partitions"`  // when it is created
	Replication  int      `yaml:"replication"` // when it is created; 0: as many as there are brokers, 3 at most
	Retention    Duration `yaml:"retention"`   // how long the broker keeps clicks
}

// Analytics says where reports are made, and bounds the embedded engine.
type Analytics struct {
	Engine       Engine `yaml:"engine"`
	URL          string `yaml:"url"` // clickhouse://USER@HOST:PORT,HOST:PORT
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	Database     string `yaml:"database"`
	Cluster      string `yaml:"cluster"` // ClickHouse's name of it; empty: one server
	Quorum       int    `yaml:"quorum"`  // how many replicas have a batch before it is stored; 0: 2, if there are

	MemoryLimit Bytes `yaml:"memory_limit"`
	Threads     int   `yaml:"threads"` // 0: one, which costs least; more answer reports sooner
}

// Distribution says how links get to other nodes.
type Distribution struct {
	Engine       Engine `yaml:"engine"`
	URL          string `yaml:"url"` // redis://, redis-sentinel://, redis-cluster://
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	CAFile       string `yaml:"ca_file"`
	Name         string `yaml:"name"` // begins every key
}

// Cluster is what the nodes of an installation know of each other.
type Cluster struct {
	// Secret seals what nodes send each other. It is the same for all of them.
	Secret     string `yaml:"secret"`
	SecretFile string `yaml:"secret_file"`
	// AlsoAccept is another secret by which what is read may be sealed, while it is changed.
	AlsoAccept     string `yaml:"also_accept"`
	AlsoAcceptFile string `yaml:"also_accept_file"`
}

// Limits bound what a stranger or a mistake can ask for.
type Limits struct {
	HeaderBytes Bytes `yaml:"header_bytes"` // request line and headers of a visit
	BodyBytes   Bytes `yaml:"body_bytes"`   // body of an API request
	ImportBytes Bytes `yaml:"import_bytes"` // an imported file, decompressed

	Connections      int      `yaml:"connections"`       // of visitors, at the same time
	OtherConnections int      `yaml:"other_connections"` // of them, those that ask for something unusual
	UnfinishedBytes  Bytes    `yaml:"unfinished_bytes"`  // requests that have arrived in part, all together
	HeaderTimeout    Duration `yaml:"header_timeout"`    // for a request to arrive
	IdleTimeout      Duration `yaml:"idle_timeout"`      // of a connection between requests
	WriteTimeout     Duration `yaml:"write_timeout"`     // for a visitor to take the answer
}

// TLS serves visitors over HTTPS, HTTP/2 included, beside Listen.
type TLS struct {
	Listen       string        `yaml:"listen"`       // empty: no TLS
	Certificates []Certificate `yaml:"certificates"` // chosen by name; the first for all other names
	ACME         ACME          `yaml:"acme"`
	HSTS         Duration      `yaml:"hsts"`        // max-age of Strict-Transport-Security; 0: not sent
	Connections  int           `yaml:"connections"` // at the same time
}

// Certificate is a pair of PEM files.
type Certificate struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// UnmarshalText reads "CERT:KEY".
func (c *Certificate) UnmarshalText(text []byte) error {
	var ok bool
	c.Cert, c.Key, ok = strings.Cut(string(text), ":")
	if !ok || c.Cert == "" || c.Key == "" {
		return fmt.Errorf("%q is not a pair of files; write CERT:KEY, or a list of {cert: FILE, key: FILE} in the configuration file", text)
	}
	return nil
}

// ACME names whom to ask for certificates. To name domains is to agree to the
// authority's terms.
type ACME struct {
	Domains   []string `yaml:"domains"`
	Email     string   `yaml:"email"`
	Directory string   `yaml:"directory"`
	CAFile    string   `yaml:"ca_file"` // PEM, vouches for a private authority's own address
}

// Metrics says who may read /metrics.
type Metrics struct {
	Token string `yaml:"token"` // to be sent as Authorization: Bearer; empty: whoever reaches the admin address
}

// Default returns the configuration of an installation that says nothing.
func Default() Config {
	return Config{
		Data:   "./data",
		Listen: "127.0.0.1:8080",
		Admin:  "127.0.0.1:8081",
		Role:   All,
		Log:    Log{Level: "info", Format: "text"},
		Journal: Journal{
			SegmentBytes: 8 * MiB,
			SyncInterval: Duration(50 * time.Millisecond),
		},
		Cookie:       Cookie{Name: "sluice", TTL: 400 * Day},
		Privacy:      Privacy{StoreIP: StoreTruncated, HonorGPC: true, HonorDNT: true},
		Store:        Store{Engine: SQLite, Schema: "sluice", Connections: 20},
		Queue:        Queue{Engine: InJournal, Mechanism: "PLAIN", Name: "sluice.clicks", Partitions: 12, Retention: 7 * Day},
		Analytics:    Analytics{Engine: DuckDB, Database: "sluice", MemoryLimit: 120 * MiB},
		Distribution: Distribution{Engine: None, Name: "sluice"},
		Limits: Limits{HeaderBytes: 16 * KiB, BodyBytes: 1 * MiB, ImportBytes: 1 * GiB,
			Connections: 50_000, OtherConnections: 2048, UnfinishedBytes: 64 * MiB,
			HeaderTimeout: Duration(10 * time.Second), IdleTimeout: Duration(2 * time.Minute), WriteTimeout: Duration(10 * time.Second)},
		TLS:             TLS{Connections: 10_000, ACME: ACME{Directory: "https://acme-v02.api.letsencrypt.org/directory"}},
		Ingest:          Ingest{MaxAge: 400 * Day},
		LeaveTimeout:    Duration(10 * time.Second),
		ShutdownTimeout: Duration(30 * time.Second),
	}
}
