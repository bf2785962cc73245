package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
)

// headScript returns installation, epoch, the log's last id and where it begins.
var headScript = redis.NewScript(`
local head = redis.call('HMGET', KEYS[1], 'installation', 'epoch')
if not head[1] then return {'', '0', '0-0', '0'} end
local log = ARGV[1] .. head[2]
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
if not last[1] then return {head[1], head[2], '0-0', '0'} end
local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local first = oldest[2][2]
if oldest[2][4] ~= '' then first = oldest[1] end
return {head[1], head[2], last[1][1], first}`)

// Head is distribution.Links's.
func (r *Redis) Head(ctx context.Context) (h distribution.Head, err error) {
	got, err := headScript.Run(ctx, r.client, []string{r.key("head")}, r.key("log", "")).StringSlice()
	if err != nil {
		return h, r.trouble(err)
	}
	h.Installation = got[0]
	if h.Epoch, err = strconv.ParseInt(got[1], 10, 64); err == nil {
		h.Seq, err = seqOf(got[2])
	}
	if err == nil {
		h.First, err = seqOf(got[3])
	}
	return h, err
}

// seqOf reads the id of an entry.
func seqOf(id string) (int64, error) {
	number, _, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the log of links has an entry %q, which is not Sluice's", id)
	}
	return seq, nil
}

// beginScript returns what is there.
var beginScript = redis.NewScript(`
local head = redis.call('HMGET', KEYS[1], 'installation', 'epoch')
if head[1] and (head[1] ~= ARGV[1] or tonumber(head[2]) > tonumber(ARGV[2])) then return {head[1], head[2]} end
redis.call('HSET', KEYS[1], 'installation', ARGV[1], 'epoch', ARGV[2])
return {ARGV[1], ARGV[2]}`)

// Begin is distribution.Links's.
func (r *Redis) Begin(ctx context.Context, installation string, epoch int64) error {
	got, err := beginScript.Run(ctx, r.client, []string{r.key("head")}, installation, epoch).StringSlice()
	if err != nil {
		return r.trouble(err)
	}
	if got[0] != installation {
		return affiliate.Errorf(affiliate.Conflict, "Redis at %s distributes the links of another installation (%s, not %s) under the name %q; give this one another distribution.name",
			r.place, got[0], installation, r.name)
	}
	if got[1] != strconv.FormatInt(epoch, 10) {
		return affiliate.Errorf(affiliate.Conflict, "Redis at %s distributes the epoch %s of the links, this store has %d: an older backup of the store was restored since; "+
			"restore the newer one, or run: sluice cluster republish", r.place, got[1], epoch)
	}
	return nil
}

// appendScript answers 1 for a gap, 0 otherwise. KEYS: log. ARGV: from, to, most, reload, body.
var appendScript = redis.NewScript(`
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local seq = 0
if last[1] then seq = tonumber(string.match(last[1][1], '^%d+')) end
if seq >= tonumber(ARGV[2]) then return 0 end
if ARGV[4] == '' and (seq < tonumber(ARGV[1]) or seq == 0) then return 1 end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], ARGV[2] .. '-0', 'from', ARGV[1], 'reload', ARGV[4], 'body', ARGV[5])
return 0`)

// Append is distribution.Links's.
func (r *Redis) Append(ctx context.Context, epoch int64, s distribution.Step) error {
	if len(s.Body) > distribution.StepBytesMax {
		return affiliate.Errorf(affiliate.TooLarge, "a step of %d bytes; at most %d are allowed", len(s.Body), distribution.StepBytesMax)
	}
	reload := ""
	if s.Reload {
		reload = "1"
	}
	gap, err := appendScript.Run(ctx, r.client, []string{r.epochKey("log", epoch)}, s.From, s.To, r.logMax, reload, s.Body).Int()
	if err != nil {
		return r.trouble(err)
	}
	if gap == 1 {
		return distribution.ErrGap
	}
	return nil
}

// blockMax is how long Redis is let wait at a time. The client does not end a command under way
// with its context, so a stop takes as long.
const blockMax = time.Second

// Steps is distribution.Links's.
func (r *Redis) Steps(ctx context.Context, epoch, after int64, wait time.Duration) ([]distribution.Step, error) {
	for until := time.Now().Add(wait); ; {
		left := time.Until(until)
		steps, err := r.stepsWithin(ctx, epoch, after, min(max(left, time.Millisecond), blockMax))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || len(steps) > 0 || left <= blockMax {
			return steps, err
		}
	}
}

// stepsWithin waits once; 0 would be for ever.
func (r *Redis) stepsWithin(ctx context.Context, epoch, after int64, block time.Duration) ([]distribution.Step, error) {
	streams, err := r.client.XRead(ctx, &redis.XReadArgs{Streams: []string{r.epochKey("log", epoch), strconv.FormatInt(after, 10) + "-0"},
		Count: distribution.StepsMax, Block: block}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, r.trouble(err)
	}
	var steps []distribution.Step
	for _, m := range streams[0].Messages {
		step, err := stepOf(m)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func stepOf(m redis.XMessage) (s distribution.Step, err error) {
	if s.To, err = seqOf(m.ID); err != nil {
		return s, err
	}
	from, _ := m.Values["from"].(string)
	if s.From, err = strconv.ParseInt(from, 10, 64); err != nil {
		return s, fmt.Errorf("the step to change %d does not say where it begins", s.To)
	}
	reload, _ := m.Values["reload"].(string)
	text, _ := m.Values["body"].(string)
	s.Reload, s.Body = reload != "", []byte(text)
	return s, nil
}
