package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/accesslog"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
	"github.com/sluicehq/sluice/internal/ingest"
)

// nginxIngest is one "sluice ingest nginx".
type nginxIngest struct {
	p       *program
	files   []string
	follow  bool
	format  string // as the API names it
	host    string
	state   string
	rejects string

	client                         *connection
	rejected                       *os.File
	read, taken, refused, notLinks int64
	begun                          time.Time
	down                           bool // and said so
}

func newIngestNginx(p *program) *cobra.Command {
	i := &nginxIngest{p: p}
	cmd := &cobra.Command{
		Use:   "nginx FILE…",
		Short: "Take in the clicks of nginx's access logs, each once",
		Long: `Take in the clicks of nginx's access logs: of log files or globs, compressed with gzip
(.gz) or zstd (.zst) or not, the oldest first. With --follow it waits for more, through
every rotation. It can be ended and started, killed too, and goes on where it stood;
each click counts once, however often its line is read.

The format sluice is the JSON of "sluice export nginx", with all that a click has;
combined is the usual one of nginx and Apache, which lacks most of it and names no host:
give it with --host. Lines in it that are of no link are counted and left out.
docs/nginx-logs.md has more, also a service for systemd.

The position is kept in --state; by default in $STATE_DIRECTORY, $XDG_STATE_HOME/sluice
or ~/.local/state/sluice, a file for each list of FILEs. Lines that make no sense are
kept in --rejects, by default beside it: JSON lines with file, line, why and text.

It talks to a running server; with SLUICE_URL and SLUICE_TOKEN to one elsewhere.`,
		Example: `  sluice ingest nginx /var/log/nginx/go.log --follow
  sluice ingest nginx '/var/log/nginx/access.log*' --format combined --host blog.example`,
		Args: cobra.MinimumNArgs(1),
	}
	format := &choice{allowed: []string{"auto", "sluice", "combined"}, value: "auto"}
	cmd.Flags().Var(format, "format", "how lines are written; auto looks at the first")
	cmd.Flags().BoolVar(&i.follow, "follow", false, "wait for more lines, and for the server when it is away")
	cmd.Flags().StringVar(&i.host, "host", "", "`host` of lines that name none")
	cmd.Flags().StringVar(&i.state, "state", "", "`file` that keeps the position")
	cmd.Flags().StringVar(&i.rejects, "rejects", "", "`file` for lines that make no sense (default STATE.rejects)")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		i.files, i.begun = args, p.now()
		if i.state == "" {
			if i.state, err = p.ingestState(args); err != nil {
				return err
			}
		}
		i.rejects = cmp.Or(i.rejects, i.state+".rejects")
		return i.run(cmd, format.value)
	}
	return cmd
}

// ingestState is where the position of these logs is kept.
func (p *program) ingestState(files []string) (string, error) {
	dir := p.getenv("STATE_DIRECTORY")
	if dir == "" {
		home := p.getenv("XDG_STATE_HOME")
		if home == "" {
			user := p.getenv("HOME")
			if user == "" {
				return "", errors.New("there is no home folder to keep the position in; name a file with --state")
			}
			home = filepath.Join(user, ".local", "state")
		}
		dir = filepath.Join(home, "sluice")
	}
	var full []string
	for _, name := range files {
		path, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		full = append(full, path)
	}
	slices.Sort(full)
	sum := sha256.Sum256([]byte(strings.Join(full, "\n")))
	return filepath.Join(dir, "ingest-nginx-"+hex.EncodeToString(sum[:6])+".json"), nil
}

func (i *nginxIngest) run(cmd *cobra.Command, format string) (err error) {
	ctx := cmd.Context()
	if err := i.reach(cmd); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.client.Close()) }()
	if err := i.chooseFormat(ctx, format); err != nil {
		if i.follow && ctx.Err() != nil {
			return nil
		}
		return err
	}
	o := accesslog.Options{Files: slices.Clone(i.files), State: i.state, Follow: i.follow, Now: i.p.now,
		Logger: slog.New(slog.NewTextHandler(i.p.errOut, nil))}
	if i.format == string(ingest.Combined) {
		o.Second = ingest.CombinedSecond
	}
	r, err := accesslog.Open(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(), i.closeRejects()) }()
	if err := i.each(ctx, r); err != nil && (!i.follow || ctx.Err() == nil) {
		i.summary()
		return err
	}
	i.summary()
	return nil
}

// reach finds the server, which has to run: clicks go into its journal.
func (i *nginxIngest) reach(cmd *cobra.Command) error {
	if address := i.p.getenv("SLUICE_URL"); address != "" {
		c, err := i.p.connectRemote(address)
		i.client = c
		return err
	}
	cfg, err := i.p.settings(cmd)
	if err != nil {
		return err
	}
	alive, err := socketAlive(cmd.Context(), cfg.Data)
	if err != nil {
		return err
	}
	if !alive && !i.follow {
		return fmt.Errorf("no server runs on %s; start it with \"sluice serve\", name another folder with --data, or set SLUICE_URL", cfg.Data)
	}
	i.client = connectSocket(cfg.Data)
	return nil
}

// chooseFormat looks at the first line of the logs; following, it waits for one.
func (i *nginxIngest) chooseFormat(ctx context.Context, format string) error {
	line, err := accesslog.FirstLine(i.files)
	for ; format == "auto"; line, err = accesslog.FirstLine(i.files) {
		if err != nil {
			return fmt.Errorf("cannot read the access log: %w", err)
		}
		switch line = bytes.TrimLeft(line, " \t"); {
		case len(line) > 0 && line[0] == '{':
			format = "sluice"
		case len(line) > 0 || !i.follow:
			format = "combined"
		default:
			if err := sleep(ctx, 250*time.Millisecond); err != nil {
				return err
			}
		}
	}
	i.format = string(ingest.JSONLines)
	if format == "combined" {
		i.format = string(ingest.Combined)
		if i.host == "" && len(line) > 0 && ingest.CombinedHost(line) == "" {
			return errors.New("lines in the combined format name no host; say with --host which host's links they are of")
		}
	}
	return nil
}

// each sends the logs' lines, and keeps the position behind what the server has.
func (i *nginxIngest) each(ctx context.Context, r *accesslog.Reader) error {
	progress := i.p.newProgress("reading "+filepath.Base(i.files[0]), -1, false)
	defer progress.end()
	for {
		c, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var receipt api.IngestReceipt
		if c.Lines > 0 {
			if receipt, err = i.send(ctx, c.Bytes); err != nil {
				return err
			}
			if err := i.allRefusals(ctx, c, &receipt); err != nil {
				return err
			}
		}
		if err := i.keepRejects(c, receipt.Refusals); err != nil {
			return err
		}
		if err := r.Done(c); err != nil {
			return err
		}
		i.read += int64(c.Lines + len(c.Refused))
		i.taken += int64(receipt.Taken)
		i.refused += int64(receipt.Refused + len(c.Refused))
		i.notLinks += int64(receipt.NotLinks)
		if !i.follow {
			progress.at(i.read)
		}
	}
}

// allRefusals asks for the reasons of those refused lines that the server has not told: it tells the
// first of many. Lines that are sent again count once.
func (i *nginxIngest) allRefusals(ctx context.Context, c *accesslog.Chunk, receipt *api.IngestReceipt) error {
	for told := len(receipt.Refusals); 0 < told && told < receipt.Refused; told = len(receipt.Refusals) {
		last := receipt.Refusals[told-1].Line
		more, err := i.send(ctx, c.From(last+1))
		if err != nil {
			return err
		}
		for _, r := range more.Refusals {
			receipt.Refusals = append(receipt.Refusals, api.IngestRefusal{Line: last + r.Line, Why: r.Why})
		}
		if len(more.Refusals) == 0 {
			return fmt.Errorf("the server has refused %d lines and names %d of them", receipt.Refused, told)
		}
	}
	return nil
}

// busyMax is how long a server that is too busy is waited for without --follow.
const busyMax = 5 * time.Minute

// send has the server take lines. One that is busy is asked again when it says; following, one
// that is away until it is back.
func (i *nginxIngest) send(ctx context.Context, lines []byte) (api.IngestReceipt, error) {
	pause, begun := 250*time.Millisecond, i.p.now()
	for {
		receipt, err := i.client.IngestLog(ctx, i.format, i.host, lines)
		if err == nil {
			if i.down {
				i.p.notef("the server takes clicks again")
				i.down = false
			}
			return receipt, nil
		}
		if ctx.Err() != nil {
			return receipt, ctx.Err()
		}
		after, busy := client.RetryAfter(err)
		away := client.Unreached(err) || affiliate.CodeOf(err) == affiliate.Unavailable
		switch {
		case busy && (i.follow || i.p.now().Sub(begun) < busyMax):
			pause = max(min(after, time.Minute), 50*time.Millisecond)
		case away && i.follow:
			pause = min(pause*2, 15*time.Second)
		case away || busy:
			return receipt, fmt.Errorf("%w; what the server has is noted, so the same command goes on from there", err)
		default:
			return receipt, err
		}
		if !i.down && !busy {
			i.p.notef("%s; trying again until it takes clicks", err)
			i.down = true
		}
		if err := sleep(ctx, pause); err != nil {
			return receipt, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// reject is a line that makes no sense, in the file of rejects.
type reject struct {
	File string `json:"file"`
	Line int64  `json:"line"`
	Why  string `json:"why"`
	Text string `json:"text"` // how it begins
}

const rejectTextMax = 1 << 10

// keepRejects writes down what was refused, by the reader and by the server.
func (i *nginxIngest) keepRejects(c *accesslog.Chunk, refusals []api.IngestRefusal) error {
	if len(c.Refused) == 0 && len(refusals) == 0 {
		return nil
	}
	var text bytes.Buffer
	add := json.NewEncoder(&text)
	for _, r := range c.Refused {
		if err := add.Encode(reject{c.File, r.Line, r.Why, string(r.Text)}); err != nil {
			return err
		}
	}
	numbers := make([]int, len(refusals))
	for k, r := range refusals {
		numbers[k] = r.Line
	}
	var err error
	c.Texts(numbers, func(k int, line []byte) {
		err = errors.Join(err, add.Encode(reject{c.File, c.Line(numbers[k]), refusals[k].Why, string(line[:min(len(line), rejectTextMax)])}))
	})
	if err != nil {
		return err
	}
	if i.rejected == nil {
		f, err := os.OpenFile(i.rejects, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("refused lines cannot be kept: %w; name another file with --rejects", err)
		}
		i.rejected = f
	}
	if _, err := i.rejected.Write(text.Bytes()); err != nil {
		return fmt.Errorf("refused lines cannot be kept: %w", err)
	}
	return i.rejected.Sync()
}

func (i *nginxIngest) closeRejects() error {
	if i.rejected == nil {
		return nil
	}
	return i.rejected.Close()
}

func (i *nginxIngest) summary() {
	i.p.printf("%s read: %s taken, %s refused, %s not links, in %.1f seconds\n", plural(i.read, "line"), grouped(i.taken),
		grouped(i.refused), grouped(i.notLinks), i.p.now().Sub(i.begun).Seconds())
	if i.refused > 0 {
		i.p.notef("refused lines are in %s, each with its reason", i.rejects)
	}
}
