package redis

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/redis/go-redis/v9"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
)

const (
	// partBytes is how much of a file is in a key, before it is compressed.
	partBytes = 1 << 20
	// unfinishedFor is how long parts are kept that no description names yet.
	unfinishedFor = time.Hour
	// replacedFor is how long the parts of a replaced snapshot can still be read.
	replacedFor = 10 * time.Minute
	// partsAhead is how many parts are asked for in one go.
	partsAhead = 8
)

func (r *Redis) part(place string, n int64) string {
	return fmt.Sprintf("%s:part:%s:%d", r.name, place, n)
}

func parts(bytes int64) int64 { return (bytes + partBytes - 1) / partBytes }

// putScript puts a description in the place of an older one, which it returns, and
// marks in the log that whoever is before it must read it. KEYS: snapshots, log.
// ARGV: format, seq, description, most.
var putScript = redis.NewScript(`
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old and cjson.decode(old).seq > tonumber(ARGV[2]) then return ARGV[3] end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
if not last[1] or tonumber(string.match(last[1][1], '^%d+')) < tonumber(ARGV[2]) then
	redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], ARGV[2] .. '-0', 'from', '0', 'reload', '1', 'body', '')
end
return old or ''`)

// PutSnapshot is distribution.Links's.
func (r *Redis) PutSnapshot(ctx context.Context, epoch int64, s distribution.Snapshot, file io.Reader) error {
	if s.Bytes > distribution.SnapshotBytesMax {
		return affiliate.Errorf(affiliate.TooLarge, "a snapshot of %d bytes; at most %d are allowed", s.Bytes, int64(distribution.SnapshotBytesMax))
	}
	s.Place = rand.Text()
	if err := r.putParts(ctx, &s, file); err != nil {
		return err
	}
	description, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := r.keep(ctx, &s, 0); err != nil { // no longer to be forgotten by themselves
		return err
	}
	old, err := putScript.Run(ctx, r.client, []string{r.epochKey("snapshots", epoch), r.epochKey("log", epoch)},
		s.Format, s.Seq, description, r.logMax).Text()
	if err != nil {
		return r.trouble(err)
	}
	if old == "" {
		return nil
	}
	var replaced distribution.Snapshot
	if err := json.Unmarshal([]byte(old), &replaced); err != nil {
		return fmt.Errorf("the description of the snapshot before cannot be read: %w", err)
	}
	return r.keep(ctx, &replaced, replacedFor)
}

// putParts stores the file.
func (r *Redis) putParts(ctx context.Context, s *distribution.Snapshot, file io.Reader) error {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer func() { _ = encoder.Close() }()
	sum, part := sha256.New(), make([]byte, partBytes)
	var total int64
	for n := int64(0); ; n++ {
		size, err := io.ReadFull(file, part)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		sum.Write(part[:size])
		total += int64(size)
		packed := encoder.EncodeAll(part[:size], nil)
		if err := r.client.Set(ctx, r.part(s.Place, n), packed, unfinishedFor).Err(); err != nil {
			return r.trouble(err)
		}
	}
	if total != s.Bytes || hex.EncodeToString(sum.Sum(nil)) != s.SHA256 {
		return affiliate.Errorf(affiliate.Invalid, "the snapshot is not the file that it says it is")
	}
	return nil
}

// keep says how long the parts of a snapshot stay; 0: until they are replaced.
func (r *Redis) keep(ctx context.Context, s *distribution.Snapshot, d time.Duration) error {
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for n := range parts(s.Bytes) {
			if d == 0 {
				p.Persist(ctx, r.part(s.Place, n))
			} else {
				p.Expire(ctx, r.part(s.Place, n), d)
			}
		}
		return nil
	})
	return r.trouble(err)
}

// Snapshots is distribution.Links's.
func (r *Redis) Snapshots(ctx context.Context, epoch int64) ([]distribution.Snapshot, error) {
	descriptions, err := r.client.HVals(ctx, r.epochKey("snapshots", epoch)).Result()
	if err != nil {
		return nil, r.trouble(err)
	}
	var all []distribution.Snapshot
	for _, text := range descriptions {
		var s distribution.Snapshot
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return nil, fmt.Errorf("the description of a snapshot in Redis at %s cannot be read: %w", r.place, err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b distribution.Snapshot) int { return b.Format - a.Format })
	return all, nil
}

// OpenSnapshot is distribution.Links's.
func (r *Redis) OpenSnapshot(ctx context.Context, _ int64, s distribution.Snapshot) (io.ReadCloser, error) {
	if s.Bytes > distribution.SnapshotBytesMax {
		return nil, affiliate.Errorf(affiliate.TooLarge, "the snapshot says that it has %d bytes; at most %d are allowed", s.Bytes, int64(distribution.SnapshotBytesMax))
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(2*partBytes), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	f := &file{ctx: ctx, redis: r, snapshot: s, decoder: decoder, sum: sha256.New()}
	if err := f.fetch(); err != nil {
		decoder.Close()
		return nil, err
	}
	return f, nil
}

// file reads a snapshot part by part.
type file struct {
	ctx      context.Context // a reader is given none
	redis    *Redis
	snapshot distribution.Snapshot
	decoder  *zstd.Decoder
	next     int64    // part to be asked for
	packed   [][]byte // parts that have come
	rest     bytes.Reader
	plain    []byte
	read     int64
	sum      hash.Hash
}

// fetch asks for some parts.
func (f *file) fetch() error {
	last := min(f.next+partsAhead, parts(f.snapshot.Bytes))
	var asked []*redis.StringCmd
	_, err := f.redis.client.Pipelined(f.ctx, func(p redis.Pipeliner) error {
		for n := f.next; n < last; n++ {
			asked = append(asked, p.Get(f.ctx, f.redis.part(f.snapshot.Place, n)))
		}
		return nil
	})
	if errors.Is(err, redis.Nil) {
		return affiliate.Errorf(affiliate.NotFound, "parts of the snapshot of change %d are gone from Redis at %s; a control node stores it again", f.snapshot.Seq, f.redis.place)
	}
	if err != nil {
		return f.redis.trouble(err)
	}
	f.next = last
	for _, got := range asked {
		b, err := got.Bytes()
		if err != nil {
			return f.redis.trouble(err)
		}
		f.packed = append(f.packed, b)
	}
	return nil
}

// Read is io.Reader's.
func (f *file) Read(p []byte) (int, error) {
	if f.rest.Len() == 0 {
		if f.read == f.snapshot.Bytes {
			if hex.EncodeToString(f.sum.Sum(nil)) != f.snapshot.SHA256 {
				return 0, affiliate.Errorf(affiliate.Invalid, "the snapshot of change %d in Redis at %s is damaged", f.snapshot.Seq, f.redis.place)
			}
			return 0, io.EOF
		}
		if err := f.unpack(); err != nil {
			return 0, err
		}
	}
	return f.rest.Read(p)
}

func (f *file) unpack() (err error) {
	if len(f.packed) == 0 {
		if err := f.fetch(); err != nil {
			return err
		}
	}
	if len(f.packed) == 0 {
		return affiliate.Errorf(affiliate.Invalid, "the snapshot of change %d is shorter than its %d bytes", f.snapshot.Seq, f.snapshot.Bytes)
	}
	if f.plain, err = f.decoder.DecodeAll(f.packed[0], f.plain[:0]); err != nil {
		return affiliate.Errorf(affiliate.Invalid, "a part of the snapshot of change %d is damaged: %v", f.snapshot.Seq, err)
	}
	f.packed = f.packed[1:]
	f.read += int64(len(f.plain))
	if f.read > f.snapshot.Bytes || len(f.plain) == 0 {
		return affiliate.Errorf(affiliate.Invalid, "the parts of the snapshot of change %d are not those it says", f.snapshot.Seq)
	}
	f.sum.Write(f.plain)
	f.rest.Reset(f.plain)
	return nil
}

// Close is io.Closer's.
func (f *file) Close() error {
	f.decoder.Close()
	return nil
}
