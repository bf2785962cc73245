package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/journal"
)

func newJournal(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "Look into the journal of clicks",
		Long: `Look into the journal, where each click is on disk before its redirect leaves.
DIR is a data folder or a journal folder; without it, the data folder of --data.
Shipped clicks that are still kept (journal.keep) are shown with the others.
Nothing here changes anything, and a running server is not disturbed.`,
	}
	cmd.AddCommand(newJournalStat(p), newJournalVerify(p), newJournalDump(p))
	return cmd
}

// lane is one journal folder: a server has one for each of its event loops.
type lane struct {
	name string
	path string
}

// lanes finds the journals in a data folder, in its journal folder, or the one
// that dir is.
func lanes(dir string) ([]lane, error) {
	if inner := filepath.Join(dir, "journal"); isDir(inner) {
		dir = inner
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s; name a data folder or a journal folder", dir)
	}
	if err != nil {
		return nil, err
	}
	var found []lane
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil && e.IsDir() {
			found = append(found, lane{e.Name(), filepath.Join(dir, e.Name())})
		}
	}
	sort.Slice(found, func(i, j int) bool {
		return len(found[i].name) < len(found[j].name) || len(found[i].name) == len(found[j].name) && found[i].name < found[j].name
	})
	if len(found) > 0 {
		return found, nil
	}
	d, err := journal.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	if stat, err := d.Stat(); err != nil || len(stat.Segments) == 0 {
		return nil, errors.Join(err, fmt.Errorf("%s holds no journal; name a data folder or a journal folder", dir))
	}
	return []lane{{filepath.Base(dir), dir}}, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// journalVerb runs fn for every lane that the arguments name.
func (p *program) journalVerb(cmd *cobra.Command, args []string, fn func(ctx context.Context, name lane, dir *journal.Dir) error) error {
	dir := ""
	if len(args) == 1 {
		dir = args[0]
	} else {
		cfg, err := p.settings(cmd)
		if err != nil {
			return err
		}
		dir = cfg.Data
	}
	found, err := lanes(dir)
	if err != nil {
		return err
	}
	for _, l := range found {
		d, err := journal.OpenDir(l.path)
		if err != nil {
			return err
		}
		if err := fn(cmd.Context(), l, d); err != nil {
			return err
		}
	}
	return nil
}

type laneStat struct {
	Lane string `json:"lane"`
	Path string `json:"path"`
	journal.DirStat
}

func newJournalStat(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "stat [DIR]", Short: "Show files and sizes", Args: cobra.MaximumNArgs(1)}
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		stats := []laneStat{}
		err := p.journalVerb(cmd, args, func(_ context.Context, l lane, d *journal.Dir) error {
			s, err := d.Stat()
			stats = append(stats, laneStat{l.name, l.path, s})
			return err
		})
		if err != nil {
			return err
		}
		if format.value == "json" {
			return printJSON(p.out, map[string]any{"lanes": stats})
		}
		t := newTable("lane", ">segments", ">size", ">first record", "in use", ">set aside", ">shipped", ">their size", "path")
		for _, s := range stats {
			first := uint64(0)
			for _, seg := range s.Segments {
				if first == 0 {
					first = seg.FirstSequence
				}
			}
			t.add(s.Lane, strconv.Itoa(len(s.Segments)), sized(s.Bytes), grouped(int64(first)), map[bool]string{true: "yes", false: "no"}[s.InUse], strconv.Itoa(s.SetAsideFiles), strconv.Itoa(s.ShippedFiles), sized(s.ShippedBytes), s.Path)
		}
		return t.print(p.out)
	}
	return cmd
}

type laneVerification struct {
	Lane string `json:"lane"`
	Path string `json:"path"`
	journal.Verification
}

func newJournalVerify(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Read and check every record; exit 1 where one is damaged",
		Args:  cobra.MaximumNArgs(1),
	}
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		results := []laneVerification{}
		damaged := false
		err := p.journalVerb(cmd, args, func(ctx context.Context, l lane, d *journal.Dir) error {
			v, err := p.verifyLane(ctx, l, d)
			damaged = damaged || len(v.Damages) > 0 || v.Lost > 0
			results = append(results, laneVerification{l.name, l.path, v})
			return err
		})
		if err != nil {
			return err
		}
		if format.value == "json" {
			err = printJSON(p.out, map[string]any{"lanes": results, "damaged": damaged})
		} else {
			p.sayVerified(results)
		}
		if err == nil && damaged {
			return problems{}
		}
		return err
	}
	return cmd
}

func (p *program) verifyLane(ctx context.Context, l lane, d *journal.Dir) (journal.Verification, error) {
	var g *progress
	v, err := d.Verify(ctx, func(done, total int64) {
		if g == nil {
			g = p.newProgress("checking lane "+l.name, total, true)
		}
		g.at(done)
	})
	if g != nil {
		g.end()
	}
	if v.Damages == nil {
		v.Damages = []journal.Damage{}
	}
	return v, err
}

func (p *program) sayVerified(results []laneVerification) {
	for _, r := range results {
		p.printf("lane %s: %s in %s, %s", r.Lane, plural(int64(r.Records), "whole record"), plural(int64(r.Segments), "segment"), sized(r.Bytes))
		if len(r.Damages) == 0 && r.Lost == 0 {
			p.printf(", no damage\n")
			continue
		}
		p.printf("; damaged in %s, %s lost\n", plural(int64(len(r.Damages)), "place"), plural(int64(r.Lost), "record"))
		for _, d := range r.Damages {
			p.printf("  %s\n", d)
		}
	}
}

func newJournalDump(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump [DIR]",
		Short: "Print every click as one JSON object a line",
		Long: `Print every click that is in the journal, oldest first, as one JSON object a line.
Damaged places are passed over and told on standard error; the exit code is then 1.`,
		Example: `  sluice journal dump ./data | jq -r 'select(.verdict=="ok") | .link' | sort | uniq -c`,
		Args:    cobra.MaximumNArgs(1),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := bufio.NewWriterSize(p.out, 64<<10)
		bad := false
		err := p.journalVerb(cmd, args, func(ctx context.Context, l lane, d *journal.Dir) error {
			laneBad, err := p.dumpLane(ctx, l, d, out)
			bad = bad || laneBad
			return err
		})
		if err = errors.Join(err, out.Flush()); err == nil && bad {
			return problems{}
		}
		return err
	}
	return cmd
}

// dumpLane prints the records of one lane; bad says that some could not be read.
func (p *program) dumpLane(ctx context.Context, l lane, d *journal.Dir, out io.Writer) (bad bool, err error) {
	r, err := d.Reader(journal.Position{})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	r.OnDamage = func(damage journal.Damage) {
		bad = bad || !damage.Expected()
		p.notef("lane %s: %s", l.name, damage)
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return bad, ctx.Err()
		}
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return bad, nil
		}
		if err != nil {
			return bad, err
		}
		var c affiliate.Click
		if err := c.DecodeRecord(record.Payload); err != nil {
			bad = true
			p.notef("lane %s, record %d: %s", l.name, record.Sequence, err)
			if err := enc.Encode(unreadable{l.name, record.Sequence, err.Error(), base64.StdEncoding.EncodeToString(record.Payload)}); err != nil {
				return bad, err
			}
			continue
		}
		if err := enc.Encode(readable(&c, l.name, record.Sequence)); err != nil {
			return bad, err
		}
	}
}

type unreadable struct {
	Lane     string `json:"lane"`
	Sequence uint64 `json:"sequence"`
	Error    string `json:"error"`
	Record   string `json:"record"` // base64
}

// dumpedClick is a click in words. The first four names are a promise.
type dumpedClick struct {
	ID         string            `json:"id"`
	Time       time.Time         `json:"time"`
	Link       string            `json:"link"` // slug
	URL        string            `json:"url"`
	LinkID     int64             `json:"link_id"`
	Site       string            `json:"site"`
	Host       string            `json:"host"`
	Outcome    string            `json:"outcome"`
	Code       int               `json:"code"`
	Why        []string          `json:"why"`
	Program    string            `json:"program,omitempty"`
	Partner    string            `json:"partner,omitempty"`
	Variant    string            `json:"variant,omitempty"`
	Rule       string            `json:"rule,omitempty"`
	Page       string            `json:"page,omitempty"`
	Visitor    string            `json:"visitor,omitempty"`
	IP         string            `json:"ip,omitempty"`
	UserAgent  string            `json:"user_agent"`
	Referrer   string            `json:"referrer,omitempty"`
	Language   string            `json:"language,omitempty"`
	Country    string            `json:"country,omitempty"`
	Query      string            `json:"query,omitempty"`
	Subs       map[string]string `json:"subs,omitempty"`
	Signals    []string          `json:"signals"`
	Fetch      map[string]string `json:"fetch,omitempty"`
	Verdict    string            `json:"verdict"`
	Reasons    []string          `json:"reasons"`
	Node       uint16            `json:"node"`
	Lane       string            `json:"lane"`
	Sequence   uint64            `json:"sequence"`
	CountsSelf bool              `json:"counts"` // a valid click, as far as the request could tell
}

func readable(c *affiliate.Click, laneName string, sequence uint64) *dumpedClick {
	d := &dumpedClick{
		ID: c.ID.String(), Time: c.Time(), Link: c.Slug, URL: c.URL, LinkID: c.Link, Site: c.Site, Host: c.Host,
		Outcome: c.Outcome.String(), Code: c.Code, Why: c.Why.Strings(), Program: c.Program, Partner: c.Partner,
		Variant: c.Variant, Rule: c.Rule, Page: c.Page, UserAgent: c.Agent, Referrer: c.Referrer, Language: c.Language,
		Country: c.Country, Query: c.Query, Signals: c.Signals.Strings(), Verdict: c.Verdict.String(), Reasons: c.Reasons.Strings(),
		Node: c.ID.Node(), Lane: laneName, Sequence: sequence, CountsSelf: c.Counts(),
	}
	if !c.Visitor.IsZero() && strings.Trim(c.Visitor.String(), "0") != "" {
		d.Visitor = c.Visitor.String()
	}
	if c.IP.IsValid() {
		d.IP = c.IP.String()
	}
	for i, s := range c.Subs {
		if s != "" {
			if d.Subs == nil {
				d.Subs = map[string]string{}
			}
			d.Subs["sub"+strconv.Itoa(i+1)] = s
		}
	}
	for name, s := range map[string]string{"dest": c.Fetch.Dest(), "mode": c.Fetch.Mode(), "site": c.Fetch.Site()} {
		if s != "" {
			if d.Fetch == nil {
				d.Fetch = map[string]string{}
			}
			d.Fetch[name] = s
		}
	}
	return d
}
