package clickhouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A cluster is used as its servers' configuration describes it: shards that keep the
// clicks between them, each with replicas that keep the same. What is small, the log of
// batches and the names of links, is on all servers.

// quorums are how many servers have something before it counts as stored.
type quorums struct {
	rows int // replicas of a shard have the rows
	log  int // servers have an entry of the log
}

const (
	// quorumMax is how many replicas may have to have a batch; quorumUsual is how many
	// have to where nothing was said and there are as many: one may then be lost.
	quorumMax, quorumUsual = 16, 2
	// quorumTime is how long a statement waits for them.
	quorumTime = 20 * time.Second
	// serversMax is more than any cluster has.
	serversMax = 10_000
)

// agree finds out how many servers have to have what is stored.
func (e *Engine) agree(ctx context.Context) (quorums, error) {
	if e.tables.cluster == "" {
		return quorums{1, 1}, nil
	}
	servers, fewest := 0, quorumMax
	err := e.eachWith(ctx, nil, fmt.Sprintf("SELECT count() FROM system.clusters WHERE cluster = '%s' GROUP BY shard_num", e.tables.cluster), func(rows driver.Rows) error {
		var replicas uint64
		err := rows.Scan(&replicas)
		servers, fewest = servers+int(replicas), min(fewest, int(replicas))
		return err
	})
	wanted := e.options.InsertQuorum
	switch {
	case err != nil:
		return quorums{}, err
	case servers == 0:
		return quorums{}, &refusal{fmt.Sprintf("it knows no cluster %s", e.tables.cluster), "describe it in the servers' remote_servers, with {shard} and {replica} in their macros, or correct the name"}
	case wanted > fewest:
		return quorums{}, &refusal{fmt.Sprintf("batches shall be on %d replicas, and a shard of %s has %d", wanted, e.tables.cluster, fewest), "add replicas, or ask for fewer"}
	case wanted == 0:
		return quorums{min(quorumUsual, fewest), min(quorumUsual, servers)}, nil
	}
	return quorums{wanted, wanted}, nil
}

// inQuorum are the settings of a statement that a number of servers have to agree on.
// Quorums of a table come one after the other, so that whatever server is asked has all
// that any has acknowledged, and nothing else; releases since 2020 have to be told.
func (e *Engine) inQuorum(servers int) settings {
	if servers < 2 {
		return settings{}
	}
	s := settings{"insert_quorum": servers, "insert_quorum_timeout": int(quorumTime / time.Millisecond), "select_sequential_consistency": 1}
	if e.newer(20, 10) {
		s["insert_quorum_parallel"] = 0
	}
	return s
}

// everywhere is a system table of all servers that answer, and what a query of it needs.
func (e *Engine) everywhere(table string) (string, settings) {
	switch {
	case e.tables.cluster == "":
		return "system." + table, nil
	case e.newer(20, 10):
		return fmt.Sprintf("clusterAllReplicas(%s, system, %s)", e.tables.cluster, table), settings{"skip_unavailable_shards": 1}
	}
	// Replicas of a shard share the work if they are told to, each with the rows it can
	// leave to the others: of such a table, none.
	return fmt.Sprintf("cluster(%s, system, %s)", e.tables.cluster, table),
		settings{"skip_unavailable_shards": 1, "max_parallel_replicas": serversMax, "prefer_localhost_replica": 0}
}

// delayLong is how far a replica may be behind before an operator is told.
const delayLong = time.Minute

// examineReplicas looks for servers that are away, or not with the others.
func (e *Engine) examineReplicas(ctx context.Context, find func(bool, string, string, ...any)) error {
	if e.tables.cluster == "" {
		return nil
	}
	replicas, along := e.everywhere("replicas")
	return e.eachWith(ctx, along, fmt.Sprintf(`SELECT table, toUInt64(min(active_replicas)), toUInt64(max(total_replicas)), toUInt64(max(absolute_delay)), toUInt64(sum(is_readonly))
		FROM %s WHERE database = '%s' GROUP BY table, zookeeper_path ORDER BY table, zookeeper_path`, replicas, e.tables.database), func(rows driver.Rows) error {
		var table string
		var active, total, delay, alone uint64
		if err := rows.Scan(&table, &active, &total, &delay, &alone); err != nil {
			return err
		}
		needed := e.quorums.log
		if table == shardTable {
			needed = e.quorums.rows
		}
		if alone > 0 {
			find(true, "see whether ZooKeeper or Keeper runs and is reached; clicks wait meanwhile", "%d replicas of %s have lost ZooKeeper and only read", alone, table)
		}
		switch {
		case active < uint64(needed):
			find(true, "bring the others back; clicks wait meanwhile, and nothing is lost", "%d of %d replicas of %s are there, and a batch has to be on %d", active, total, table, needed)
		case active < total:
			find(false, "bring the others back: until then fewer servers have what is stored", "%d of %d replicas of %s are there", active, total, table)
		}
		if late := time.Duration(delay) * time.Second; late > delayLong {
			find(false, "see system.replication_queue; reports that this replica answers lack what it has not", "a replica of %s is %v behind", table, late)
		}
		return nil
	})
}
