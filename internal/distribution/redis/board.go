package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
)

// putValueScript keeps the higher revision. KEYS: value. ARGV: revision, value.
var putValueScript = redis.NewScript(`
local there = redis.call('HGET', KEYS[1], 'revision')
if there and tonumber(there) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'revision', ARGV[1], 'value', ARGV[2])
return 1`)

// PutValue is distribution.Values's.
func (r *Redis) PutValue(ctx context.Context, name string, revision int64, value []byte) error {
	if len(value) > distribution.ValueBytesMax {
		return affiliate.Errorf(affiliate.TooLarge, "the value %s has %d bytes; at most %d are allowed", name, len(value), distribution.ValueBytesMax)
	}
	return r.trouble(putValueScript.Run(ctx, r.client, []string{r.key("value", name)}, revision, value).Err())
}

// Value is distribution.Values's.
func (r *Redis) Value(ctx context.Context, name string) (revision int64, value []byte, err error) {
	var there struct {
		Revision int64  `redis:"revision"`
		Value    string `redis:"value"`
	}
	got := r.client.HMGet(ctx, r.key("value", name), "revision", "value")
	if err := got.Err(); err != nil {
		return 0, nil, r.trouble(err)
	}
	if got.Val()[0] == nil {
		return 0, nil, affiliate.Errorf(affiliate.NotFound, "there is no value %s in Redis at %s", name, r.place)
	}
	if err := got.Scan(&there); err != nil {
		return 0, nil, fmt.Errorf("the value %s in Redis at %s cannot be read: %w", name, r.place, err)
	}
	return there.Revision, []byte(there.Value), nil
}

// clock is Redis's.
func (r *Redis) clock(ctx context.Context) (time.Time, error) {
	// In a Cluster any of its nodes would answer; the one with our keys is always the same.
	text, err := clockScript.Run(ctx, r.client, []string{r.key("nodes")}).Int64()
	return time.UnixMicro(text).UTC(), r.trouble(err)
}

var clockScript = redis.NewScript(`
local t = redis.call('TIME')
return t[1] * 1000000 + t[2]`)

// rememberedFor is how long a node that does not announce itself stays in Redis,
// where it is no longer listed.
const rememberedFor = time.Hour

// Announce is distribution.Board's.
func (r *Redis) Announce(ctx context.Context, node distribution.Node) (time.Time, error) {
	clock, err := r.clock(ctx)
	if err != nil {
		return clock, err
	}
	node.Said = clock
	doc, err := json.Marshal(node)
	if err != nil {
		return clock, err
	}
	_, err = r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, r.key("nodes"), node.Name, doc)
		p.Expire(ctx, r.key("nodes"), rememberedFor)
		return nil
	})
	return clock, r.trouble(err)
}

// Leave is distribution.Board's.
func (r *Redis) Leave(ctx context.Context, name string) error {
	return r.trouble(r.client.HDel(ctx, r.key("nodes"), name).Err())
}

// Nodes is distribution.Board's. It also removes those of long ago.
func (r *Redis) Nodes(ctx context.Context) (nodes []distribution.Node, err error) {
	clock, err := r.clock(ctx)
	if err != nil {
		return nil, err
	}
	all, err := r.client.HGetAll(ctx, r.key("nodes")).Result()
	if err != nil {
		return nil, r.trouble(err)
	}
	var gone []string
	for name, doc := range all {
		var n distribution.Node
		err := json.Unmarshal([]byte(doc), &n)
		switch age := clock.Sub(n.Said); {
		case err != nil || age > rememberedFor:
			gone = append(gone, name)
		case age <= distribution.NodeTTL:
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b distribution.Node) int { return strings.Compare(a.Name, b.Name) })
	if len(gone) > 0 {
		err = r.client.HDel(ctx, r.key("nodes"), gone...).Err()
	}
	return nodes, r.trouble(err)
}

// skewMax is how far clocks may be apart before an operator is told: a click's time is
// that of the node that answered it.
const skewMax = time.Second

// Examine is distribution.Distribution's.
func (r *Redis) Examine(ctx context.Context, now time.Time) (found []affiliate.Finding, err error) {
	began := time.Now()
	clock, err := r.clock(ctx)
	if err != nil {
		return nil, err
	}
	if skew := now.Add(time.Since(began) / 2).Sub(clock); skew.Abs() > skewMax {
		found = append(found, affiliate.Finding{Problem: fmt.Sprintf("this machine's clock is %s ahead of Redis's at %s", skew.Round(time.Millisecond), r.place),
			Mend: "let both machines set their clocks by NTP"})
	}
	info, err := r.client.Info(ctx, "server", "memory", "cluster").Result()
	if err != nil {
		return found, r.trouble(err)
	}
	return append(found, r.examineInfo(ctx, infoOf(info))...), nil
}

func infoOf(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[key] = value
		}
	}
	return all
}

func (r *Redis) examineInfo(ctx context.Context, info map[string]string) (found []affiliate.Finding) {
	add := func(harmful bool, mend, format string, args ...any) {
		found = append(found, affiliate.Finding{Problem: fmt.Sprintf("Redis at %s ", r.place) + fmt.Sprintf(format, args...), Mend: mend, Harmful: harmful})
	}
	if major, _, _ := strings.Cut(info["redis_version"], "."); len(major) == 1 && major < "5" {
		add(true, "upgrade it", "is version %s; streams need 5 or later", info["redis_version"])
	}
	if p := info["maxmemory_policy"]; info["maxmemory"] != "0" && strings.HasPrefix(p, "allkeys") {
		add(false, "set maxmemory-policy to noeviction or a volatile one", "may drop links when its memory is full (maxmemory-policy %s); control nodes would write them again", p)
	}
	switch on := info["cluster_enabled"] == "1"; {
	case on && !r.isSet:
		add(true, "begin distribution.url with redis-cluster://", "is part of a Cluster")
	case on:
		if state, err := r.client.ClusterInfo(ctx).Result(); err == nil && infoOf(state)["cluster_state"] != "ok" {
			add(false, "bring the missing masters back, or run redis-cli --cluster fix", "says that its Cluster is not whole (%s of 16384 slots)", infoOf(state)["cluster_slots_ok"])
		}
	}
	return found
}
