package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/clickhouse"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/distribution"
	"github.com/sluicehq/sluice/internal/distribution/redis"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/kafka"
	"github.com/sluicehq/sluice/internal/queue/rabbitmq"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// opened makes an interface of what was opened. Without it, nothing in an interface would be
// taken for something.
func opened[Room, Engine any](engine Engine, err error) (room Room, _ error) {
	if err != nil {
		return room, err
	}
	return any(engine).(Room), nil
}

// openStore opens what the configuration names.
func (a *App) openStore(ctx context.Context) (store.Store, error) {
	c := &a.config.Store
	if c.Engine == config.Postgres {
		return opened[store.Store](postgres.Open(ctx, postgres.Options{URL: c.URL, Password: c.Password, Schema: c.Schema, ConnectionsMax: c.Connections, Logger: a.options.Logger}))
	}
	if err := a.expectStore(); err != nil {
		return nil, err
	}
	return opened[store.Store](sqlite.Open(ctx, sqlite.Options{Path: a.storePath(), Logger: a.options.Logger}))
}

// openAnalytics opens what the configuration names.
func (a *App) openAnalytics(ctx context.Context) (analytics.Engine, error) {
	c := &a.config.Analytics
	if c.Engine == config.ClickHouse {
		return opened[analytics.Engine](clickhouse.Open(ctx, clickhouse.Options{URL: c.URL, Password: c.Password, Database: c.Database, Cluster: c.Cluster, InsertQuorum: c.Quorum,
			Logger: a.options.Logger, Now: a.options.Now}))
	}
	if err := os.MkdirAll(a.folder.at("analytics"), 0o700); err != nil {
		return nil, a.folder.unwritable(err)
	}
	return opened[analytics.Engine](duckdb.Open(duckdb.Options{
		Path: a.folder.at("analytics", "clicks.duckdb"), MemoryLimit: fmt.Sprintf("%dMiB", int64(c.MemoryLimit)>>20),
		Threads: c.Threads, Logger: a.options.Logger, Now: a.options.Now,
	}))
}

// member is how this process is called in the logs and lists of others.
func (a *App) member() string { return fmt.Sprintf("sluice-%s-%d", a.config.Role, a.config.Node) }

// openBroker opens where clicks are read.
func (a *App) openBroker(ctx context.Context) (queue.Queue, error) {
	if a.config.Queue.Engine == config.Kafka {
		return opened[queue.Queue](kafka.OpenQueue(ctx, a.kafkaOptions()))
	}
	return opened[queue.Queue](rabbitmq.OpenQueue(ctx, a.rabbitOptions()))
}

// openProducer opens where clicks are sent to.
func (a *App) openProducer(ctx context.Context) (queue.Producer, error) {
	if a.config.Queue.Engine == config.Kafka {
		return opened[queue.Producer](kafka.OpenProducer(ctx, a.kafkaOptions()))
	}
	return opened[queue.Producer](rabbitmq.OpenProducer(ctx, a.rabbitOptions()))
}

func (a *App) rabbitOptions() rabbitmq.Options {
	c := &a.config.Queue
	return rabbitmq.Options{URLs: strings.Split(c.URL, ","), User: c.User, Password: c.Password, CAFile: c.CAFile, Name: c.Name, Partitions: c.Partitions,
		Replication: c.Replication, Retention: time.Duration(c.Retention), Member: a.member(), Logger: a.options.Logger}
}

func (a *App) kafkaOptions() kafka.Options {
	c := &a.config.Queue
	scheme, servers, _ := strings.Cut(c.URL, "://")
	return kafka.Options{Servers: strings.Split(strings.TrimSuffix(servers, "/"), ","), User: c.User, Password: c.Password, Mechanism: c.Mechanism,
		TLS: scheme == "kafkas", CAFile: c.CAFile, Topic: c.Name, Partitions: c.Partitions, Replication: c.Replication, Retention: time.Duration(c.Retention),
		Member: a.member(), Logger: a.options.Logger}
}

// openDistribution opens what the configuration names.
func (a *App) openDistribution(ctx context.Context) (distribution.Distribution, error) {
	c := &a.config.Distribution
	return opened[distribution.Distribution](redis.Open(ctx, redis.Options{URL: c.URL, Password: c.Password, CAFile: c.CAFile, Name: c.Name}))
}
