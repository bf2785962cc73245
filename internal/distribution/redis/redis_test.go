package redis

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
	"github.com/sluicehq/sluice/internal/distribution/distributiontest"
	"github.com/sluicehq/sluice/internal/testkit"
)

func TestRedis(t *testing.T)    { suite(t, "REDIS") }
func TestSentinel(t *testing.T) { suite(t, "REDIS_SENTINEL") }
func TestCluster(t *testing.T)  { suite(t, "REDIS_CLUSTER") }

func suite(t *testing.T, engine string) {
	url := testkit.Engine(t, engine)
	distributiontest.Run(t, func(t *testing.T) distributiontest.Fixture {
		name := "test-" + rand.Text()
		open := func(t *testing.T) distribution.Distribution { return connect(t, Options{URL: url, Name: name}) }
		r := connect(t, Options{URL: url, Name: name})
		t.Cleanup(func() { r.removeAll(t) })
		return distributiontest.Fixture{Distribution: r, Another: open, Lose: r.removeAll}
	})
}

func connect(t *testing.T, o Options) *Redis {
	t.Helper()
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// removeAll removes everything under the name, on each master.
func (r *Redis) removeAll(t *testing.T) {
	t.Helper()
	remove := func(ctx context.Context, c *redis.Client) error {
		for _, pattern := range []string{"{" + r.name + "}:*", r.name + ":part:*"} {
			for found := c.Scan(ctx, 0, pattern, 1000).Iterator(); found.Next(ctx); {
				if err := c.Unlink(ctx, found.Val()).Err(); err != nil {
					return err
				}
			}
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	var err error
	switch c := r.client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, remove)
	case *redis.Client:
		err = remove(ctx, c)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedPartIsNoticed(t *testing.T) {
	r := connect(t, Options{URL: testkit.Engine(t, "REDIS"), Name: "test-" + rand.Text()})
	t.Cleanup(func() { r.removeAll(t) })
	ctx := t.Context()
	file := strings.Repeat("a line of a file\n", 200_000)
	s := distribution.Snapshot{Seq: 1, Format: 1, Bytes: int64(len(file)), SHA256: sumOf(file)}
	if err := r.Begin(ctx, "home", 1); err != nil {
		t.Fatal(err)
	}
	put := func() distribution.Snapshot {
		s.Seq++
		if err := r.PutSnapshot(ctx, 1, s, strings.NewReader(file)); err != nil {
			t.Fatal(err)
		}
		all, err := r.Snapshots(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	for name, damage := range map[string]func(s distribution.Snapshot) error{
		"a part is gone":    func(s distribution.Snapshot) error { return r.client.Del(ctx, r.part(s.Place, 1)).Err() },
		"a part is no part": func(s distribution.Snapshot) error { return r.client.Set(ctx, r.part(s.Place, 1), "x", 0).Err() },
		"a part is another part": func(s distribution.Snapshot) error {
			return r.client.Copy(ctx, r.part(s.Place, 3), r.part(s.Place, 1), 0, true).Err()
		},
		"two parts have changed places": func(s distribution.Snapshot) error {
			b, err := r.client.Get(ctx, r.part(s.Place, 0)).Bytes()
			if err != nil {
				return err
			}
			if err := r.client.Rename(ctx, r.part(s.Place, 1), r.part(s.Place, 0)).Err(); err != nil {
				return err
			}
			return r.client.Set(ctx, r.part(s.Place, 1), b, 0).Err()
		},
	} {
		s := put()
		if err := damage(s); err != nil {
			t.Fatal(err)
		}
		if err := readAll(ctx, r, s); affiliate.CodeOf(err) != affiliate.Invalid && affiliate.CodeOf(err) != affiliate.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := readAll(ctx, r, put()); err != nil {
		t.Fatal(err)
	}
}

func TestAddress(t *testing.T) {
	for url, want := range map[string]string{
		"localhost:6379":                    "no scheme",
		"http://localhost:6379":             "not a kind of Redis",
		"redis://localhost":                 "not HOST:PORT",
		"redis://a:1,b:2":                   "2 servers are not one",
		"redis-sentinel://a:1":              "master's name is missing",
		"redis://user:secret-word@a:1":      "password does not belong",
		"redis-cluster://a:1/2":             "not a database",
		"redis://a:1/x":                     "not a database",
		"redis-sentinel://a:1,b:2/master/3": "",
		"redis://reader@a:1/3":              "",
		"redis-cluster://a:1,b:2":           "",
		"rediss-cluster://a:1,b:2":          "",
	} {
		_, err := parse(Options{URL: url})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", url, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", url, err, want)
		case err != nil && strings.Contains(err.Error(), "secret-word"):
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
}

// What is wrong is named, with what to do about it.
func TestWrongServer(t *testing.T) {
	one, many := testkit.Engine(t, "REDIS"), testkit.Engine(t, "REDIS_CLUSTER")
	user, admin := "test-"+rand.Text(), connect(t, Options{URL: one})
	if err := admin.client.Do(t.Context(), "ACL", "SETUSER", user, "on", ">right-word", "~other:*", "+@all", "-eval", "-evalsha").Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.client.Do(context.WithoutCancel(t.Context()), "ACL", "DELUSER", user).Err() })
	first, _, _ := strings.Cut(strings.TrimPrefix(many, "redis-cluster://"), ",")
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"nobody there":            {Options{URL: "redis://127.0.0.1:9"}, "see that it runs"},
		"a wrong password":        {Options{URL: strings.Replace(one, "redis://", "redis://"+user+"@", 1), Password: "secret-word"}, "set distribution.password"},
		"a user who may not":      {Options{URL: strings.Replace(one, "redis://", "redis://"+user+"@", 1), Password: "right-word"}, "let the user run"},
		"one server as a Cluster": {Options{URL: strings.Replace(one, "redis://", "redis-cluster://", 1)}, "begin distribution.url with redis://"},
	} {
		r, err := Open(t.Context(), c.options)
		if err == nil {
			_, err = r.Head(t.Context())
			_ = r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := connect(t, Options{URL: "redis://" + first, Name: "test-" + rand.Text()})
	found, err := r.Examine(t.Context(), time.Now())
	if err != nil && !strings.Contains(err.Error(), "redis-cluster://") {
		t.Fatal(err)
	}
	if err == nil && (len(found) != 1 || !found[0].Harmful || !strings.Contains(found[0].Mend, "redis-cluster://")) {
		t.Fatalf("a node of a Cluster alone: %+v", found)
	}
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func readAll(ctx context.Context, r *Redis, s distribution.Snapshot) error {
	f, err := r.OpenSnapshot(ctx, 1, s)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(io.Discard, f)
	return err
}
