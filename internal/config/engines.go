package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// secretBytesMin is the least length of cluster.secret: that of 24 random bytes in base64.
const secretBytesMin = 32

// secretBytesMax bounds a file with a password or a secret.
const secretBytesMax = 4096

// IsShared says whether a control node can share its engines with others of its kind.
func (c *Config) IsShared() bool { return c.Store.Engine == Postgres }

// HasBroker says whether clicks go through a broker.
func (c *Config) HasBroker() bool { return c.Queue.Engine != InJournal }

// engines checks what stands under the rooms, and that it fits the role.
func (v *check) engines(c *Config) {
	oneOf(v, "store.engine", c.Store.Engine, SQLite, Postgres)
	oneOf(v, "queue.engine", c.Queue.Engine, InJournal, RabbitMQ, Kafka)
	oneOf(v, "analytics.engine", c.Analytics.Engine, DuckDB, ClickHouse)
	oneOf(v, "distribution.engine", c.Distribution.Engine, None, Redis)
	v.remote("store", c.Store.Engine != SQLite, c.Store.URL, "postgres://USER@HOST:5432/DATABASE", c.Store.Password, c.Store.PasswordFile)
	v.remote("queue", c.HasBroker(), c.Queue.URL, "amqp://HOST:5672/ or kafka://HOST:9092,HOST:9092", c.Queue.Password, c.Queue.PasswordFile)
	v.remote("analytics", c.Analytics.Engine != DuckDB, c.Analytics.URL, "clickhouse://USER@HOST:9000", c.Analytics.Password, c.Analytics.PasswordFile)
	v.remote("distribution", c.Distribution.Engine != None, c.Distribution.URL, "redis://HOST:6379", c.Distribution.Password, c.Distribution.PasswordFile)
	if c.Analytics.Quorum > 1 && c.Analytics.Cluster == "" {
		v.fault("analytics.quorum", "%d replicas are only in a cluster: name it in analytics.cluster", c.Analytics.Quorum)
	}
	oneOf(v, "queue.mechanism", c.Queue.Mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
	schemes := map[Engine][]string{RabbitMQ: {"amqp", "amqps"}, Kafka: {"kafka", "kafkas"}}[c.Queue.Engine]
	if scheme, _, _ := strings.Cut(c.Queue.URL, "://"); c.HasBroker() && c.Queue.URL != "" && len(schemes) > 0 && !slices.Contains(schemes, scheme) {
		v.fault("queue.url", "the address of %s begins with %s://", c.Queue.Engine, strings.Join(schemes, ":// or "))
	}
	between(v, "store.connections", c.Store.Connections, 3, 1000)
	between(v, "queue.partitions", c.Queue.Partitions, 1, 10_000)
	between(v, "queue.replication", c.Queue.Replication, 0, 100)
	between(v, "queue.retention", c.Queue.Retention, Duration(time.Hour), 365*Day)
	v.secret(c)
	v.role(c)
}

// remote checks the address of a server.
func (v *check) remote(room string, used bool, url, example, password, file string) {
	switch {
	case used && url == "":
		v.fault(room+".url", "say where the server is, such as %s", example)
	case !used && url != "":
		v.fault(room+".url", "%s.engine does not use a server; name one that does, or take the address out", room)
	}
	if password != "" && file != "" {
		v.fault(room+".password_file", "%s.password is set as well; give one of the two", room)
	}
}

func (v *check) secret(c *Config) {
	if c.Cluster.Secret != "" && c.Cluster.SecretFile != "" {
		v.fault("cluster.secret_file", "cluster.secret is set as well; give one of the two")
	}
	if s := c.Cluster.Secret; s != "" && len(s) < secretBytesMin {
		v.fault("cluster.secret", "%d characters can be guessed; give at least %d, such as the output of: openssl rand -base64 32", len(s), secretBytesMin)
	}
	if s := c.Cluster.AlsoAccept; s != "" && len(s) < secretBytesMin {
		v.fault("cluster.also_accept", "%d characters can be guessed; it was a secret of %d at least", len(s), secretBytesMin)
	}
	if c.Distribution.Engine != None && c.Cluster.Secret == "" && c.Cluster.SecretFile == "" {
		v.fault("cluster.secret", "nodes seal what they send each other with it; give all of them the same, such as the output of: openssl rand -base64 32")
	}
}

// role checks that a process has what its role needs from others.
func (v *check) role(c *Config) {
	alone := func(needs string) {
		v.fault("role", "a process that is %q alone needs %s; without, use the role %q", c.Role, needs, All)
	}
	switch c.Role {
	case Pipeline:
		if !c.HasBroker() || c.Analytics.Engine == DuckDB {
			alone("a broker (queue.engine) that clicks come from and a server for reports (analytics.engine)")
		}
	case Control:
		if !c.HasBroker() || c.Analytics.Engine == DuckDB || c.Distribution.Engine == None {
			alone("a broker (queue.engine), a server for reports (analytics.engine) and a way for links to reach other nodes (distribution.engine)")
		}
	}
}

// readSecrets puts what is in files into the place of what is given as it is.
func (c *Config) readSecrets() (faults []Fault) {
	for _, s := range []struct {
		path        string
		file, value *string
		least       int
	}{
		{"store.password_file", &c.Store.PasswordFile, &c.Store.Password, 1},
		{"queue.password_file", &c.Queue.PasswordFile, &c.Queue.Password, 1},
		{"analytics.password_file", &c.Analytics.PasswordFile, &c.Analytics.Password, 1},
		{"distribution.password_file", &c.Distribution.PasswordFile, &c.Distribution.Password, 1},
		{"cluster.secret_file", &c.Cluster.SecretFile, &c.Cluster.Secret, secretBytesMin},
		{"cluster.also_accept_file", &c.Cluster.AlsoAcceptFile, &c.Cluster.AlsoAccept, secretBytesMin},
	} {
		if *s.file == "" || *s.value != "" {
			continue // nothing to read, or one too many, which the check names
		}
		text, err := readSecret(*s.file)
		if err == nil && len(text) < s.least {
			err = fmt.Errorf("%s has %d characters; %d are needed", *s.file, len(text), s.least)
		}
		if err != nil {
			faults = append(faults, Fault{Path: s.path, Message: err.Error()})
			continue
		}
		*s.value, *s.file = text, ""
	}
	return faults
}

func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > secretBytesMax {
		return "", fmt.Errorf("%s has %d bytes; a secret has at most %d", path, info.Size(), secretBytesMax)
	}
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}
