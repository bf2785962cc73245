package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluicehq/sluice/internal/testkit"
)

// What is measured has names of its own in servers that others may use, and is removed from
// them afterwards.

// newName is unlike every other, and good for a topic, a database, a schema and a key.
func newName() string { return "bench_" + strings.ToLower(rand.Text()[:8]) }

func kafkaServers(address string) []string {
	return strings.Split(strings.TrimPrefix(address, "kafka://"), ",")
}

func removing(t testing.TB, what string, remove func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := remove(ctx); err != nil {
		t.Errorf("%s is left behind: %v", what, err)
	}
}

func removeTopic(t testing.TB, broker, name string, partitions int) {
	removing(t, "the topic "+name+" of "+broker, func(ctx context.Context) error {
		if broker == "kafka" {
			return deleteTopic(ctx, testkit.Engine(t, broker), name)
		}
		return deleteStreams(testkit.Engine(t, broker), name, partitions)
	})
}

func deleteTopic(ctx context.Context, address, name string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(kafkaServers(address)...))
	if err != nil {
		return err
	}
	defer client.Close()
	r, topic := kmsg.NewPtrDeleteTopicsRequest(), kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic, r.TimeoutMillis = &name, 10_000
	r.Topics, r.TopicNames = append(r.Topics, topic), []string{name}
	_, err = r.RequestWith(ctx, client)
	return err
}

func deleteStreams(address, name string, partitions int) error {
	conn, err := amqp.Dial(address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // everything has been done
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	for k := range partitions {
		if _, err := channel.QueueDelete(fmt.Sprintf("%s.%d", name, k), false, false, false); err != nil {
			return err
		}
	}
	_, err = channel.QueueDelete(name, false, false, false)
	return err
}

// clickHouse is a connection beside the engine's own.
func clickHouse(t testing.TB) driver.Conn {
	t.Helper()
	o, err := clickhouse.ParseDSN(testkit.Engine(t, "clickhouse"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func removeDatabase(t testing.TB, conn driver.Conn, name string) {
	removing(t, "the database "+name, func(ctx context.Context) error {
		err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name)
		if err != nil && strings.Contains(err.Error(), "Directory not empty") { // as 18.16 says of a table that is being removed
			return nil
		}
		return err
	})
}

func removeSchema(t testing.TB, name string) {
	removing(t, "the schema "+name, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, testkit.Engine(t, "postgres"))
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+name+" CASCADE")
		_ = conn.Close(ctx)
		return err
	})
}

// redisClient is a connection to the plain server.
func redisClient(t testing.TB) *redis.Client {
	t.Helper()
	u, err := url.Parse(testkit.Engine(t, "redis"))
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(&redis.Options{Addr: u.Host})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// keysOf are the keys of a distribution.
func keysOf(ctx context.Context, c *redis.Client, name string) (keys []string, err error) {
	for all := c.Scan(ctx, 0, "*"+name+"*", 10_000).Iterator(); ; {
		if !all.Next(ctx) {
			return keys, all.Err()
		}
		keys = append(keys, all.Val())
	}
}

func removeKeys(t testing.TB, c *redis.Client, name string) {
	removing(t, "the distribution "+name, func(ctx context.Context) error {
		keys, err := keysOf(ctx, c, name)
		if err != nil || len(keys) == 0 {
			return err
		}
		return c.Unlink(ctx, keys...).Err()
	})
}

// tableSizes are those of the tables that are kept in parts.
func tableSizes(t testing.TB, conn driver.Conn, database string) map[string]tableSize {
	t.Helper()
	rows, err := conn.Query(context.Background(), "SELECT table, sum(rows), sum(bytes_on_disk), count() FROM system.parts WHERE database = '"+database+"' AND active GROUP BY table")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }() // Err says it
	sizes := map[string]tableSize{}
	for rows.Next() {
		var table string
		var s tableSize
		if err := rows.Scan(&table, &s.rows, &s.bytes, &s.parts); err != nil {
			t.Fatal(err)
		}
		sizes[table] = s
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return sizes
}

// processes are those with a name.
func processes(name string) (pids []int) {
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		if firstLine(filepath.Join(folder, "comm")) == name {
			pid, _ := strconv.Atoi(filepath.Base(folder))
			pids = append(pids, pid)
		}
	}
	return pids
}

// processorOf is what processes of a name have had of all processors.
func processorOf(name string) (sum time.Duration) {
	for _, pid := range processes(name) {
		sum += treeProcessor(pid)
	}
	return sum
}
