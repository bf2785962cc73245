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
	"net/netip"
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
	// CountryHeader is a header in which a trusted proxy names the visitor's
	// country, such as CF-IPCountry.
	CountryHeader string `yaml:"country_header"`

	Log       Log       `yaml:"log"`
	Journal   Journal   `yaml:"journal"`
	Cookie    Cookie    `yaml:"cookie"`
	Privacy   Privacy   `yaml:"privacy"`
	Geo       Geo       `yaml:"geo"`
	Analytics Analytics `yaml:"analytics"`
	Limits    Limits    `yaml:"limits"`

	// ShutdownTimeout bounds how long a stop waits for requests under way and
	// for clicks to reach the reports.
	ShutdownTimeout Duration `yaml:"shutdown_timeout"`
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

// Analytics bounds the embedded report engine.
type Analytics struct {
	MemoryLimit Bytes `yaml:"memory_limit"`
	Threads     int   `yaml:"threads"` // 0: one, which costs least; more answer reports sooner
}

// Limits bound what a stranger or a mistake can ask for.
type Limits struct {
	HeaderBytes Bytes `yaml:"header_bytes"` // request line and headers of a visit
	BodyBytes   Bytes `yaml:"body_bytes"`   // body of an API request
	ImportBytes Bytes `yaml:"import_bytes"` // an imported file, decompressed
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
			SegmentBytes: 16 * MiB,
			SyncInterval: Duration(50 * time.Millisecond),
		},
		Cookie:          Cookie{Name: "sluice", TTL: 400 * Day},
		Privacy:         Privacy{StoreIP: StoreTruncated, HonorGPC: true, HonorDNT: true},
		Analytics:       Analytics{MemoryLimit: 120 * MiB},
		Limits:          Limits{HeaderBytes: 16 * KiB, BodyBytes: 1 * MiB, ImportBytes: 1 * GiB},
		ShutdownTimeout: Duration(30 * time.Second),
	}
}
