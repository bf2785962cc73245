// Command bench measures what the project promises, on the real program: its own
// process, its command line, its sockets and its data folder. It judges nothing:
// it prints what was asked beside what was measured, with the samples' range, and
// says how busy the machine was with other work meanwhile.
//
// It needs Linux, whose /proc tells what a process takes. docs/performance.md
// explains the figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) > 1 && os.Args[1] == engineVerb {
		err = fillEngine(ctx, os.Args[2:])
	} else {
		err = run(ctx, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	program  string // the binary that is measured
	dir      string // everything that it writes
	visitors string // the binary that visits it
	seed     uint64 // of the last visitors
	size     size
	figures  figures
}

// size is how much of everything there is.
type size struct {
	Links       int   `json:"links"`
	Clicks      int   `json:"clicks"`  // in the reports
	Backlog     int   `json:"backlog"` // of those, taken through the whole pipeline
	Starts      int   `json:"starts"`  // in good order
	Crashes     int   `json:"crashes"` // starts after a kill
	Creates     int   `json:"creates"` // links by API
	Visible     int   `json:"visible"` // clicks awaited in the report
	Reports     int   `json:"reports"` // of each kind
	LoadSeconds int   `json:"load_seconds"`
	MapLinks    []int `json:"map_links"`   // of the contests with nginx
	RuleLinks   int   `json:"rule_links"`  // of the one with rules and reports, and at a rate
	LargeLinks  int   `json:"large_links"` // when asked for
	Turns       int   `json:"turns"`       // of a contest
	TurnSeconds int   `json:"turn_seconds"`
}

var (
	fullSize = size{Links: 1_000_000, Clicks: 20_000_000, Backlog: 3_000_000, Starts: 5, Crashes: 3, Creates: 100, Visible: 30,
		Reports: 15, LoadSeconds: 10, MapLinks: []int{1, 100_000, 1_000_000}, RuleLinks: 100_000, LargeLinks: 10_000_000, Turns: 5, TurnSeconds: 3}
	shortSize = size{Links: 100_000, Clicks: 2_000_000, Backlog: 500_000, Starts: 3, Crashes: 1, Creates: 30, Visible: 10,
		Reports: 11, LoadSeconds: 3, MapLinks: []int{20_000}, RuleLinks: 20_000, LargeLinks: 1_000_000, Turns: 2, TurnSeconds: 1}
)

// choose puts what was asked for in the place of the defaults.
func (z *size) choose(turns, seconds int, mapLinks string) error {
	if turns > 0 {
		z.Turns = turns
	}
	if seconds > 0 {
		z.TurnSeconds = seconds
	}
	if mapLinks == "" {
		return nil
	}
	z.MapLinks = nil
	for text := range strings.SplitSeq(mapLinks, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 50_000_000 {
			return fmt.Errorf("-map-links: %q is no number of links", text)
		}
		z.MapLinks = append(z.MapLinks, n)
	}
	return nil
}

// loadPerSecond is the steady load of the requirements.
const loadPerSecond = 5000

type part struct {
	name string
	run  func(*bench, context.Context) error
}

var parts = []part{
	{"links", (*bench).links},
	{"clicks", (*bench).clicks},
	{"nginx", (*bench).nginx},
	{"latency", (*bench).latency},
	{"large", (*bench).large},
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	program := flags.String("program", "bin/sluice", "`path` of the program to measure")
	out := flags.String("out", "bin/bench.json", "`file` for the samples")
	temp := flags.String("dir", "", "`folder` for temporary data (default: the system's)")
	short := flags.Bool("short", false, "smaller numbers, which say nothing about the figures asked for")
	rounds := flags.Int("rounds", 1, "how often everything is measured")
	only := flags.String("only", "", "`parts` to measure, separated by commas: links, clicks, nginx, latency, and large, which must be named")
	visitors := flags.String("visitors", "bin/visitors", "`path` of the program that visits it")
	turns := flags.Int("turns", 0, "`rounds` of a contest with nginx, and of large (default 5)")
	seconds := flags.Int("seconds", 0, "`length` of such a round (default 3)")
	mapLinks := flags.String("map-links", "", "`numbers` of links of the contests with nginx, separated by commas (default 1,100000,1000000)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	b := &bench{program: *program, visitors: *visitors, size: fullSize}
	if *short {
		b.size = shortSize
	}
	if err := b.size.choose(*turns, *seconds, *mapLinks); err != nil {
		return err
	}
	for _, path := range []string{b.program, b.visitors} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("a program is missing: %w; run: make build, and scripts/bench.sh instead of this", err)
		}
	}
	if b.dir, err = os.MkdirTemp(*temp, "sluice-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()

	r := result{Started: time.Now().UTC().Truncate(time.Second), Short: *short, Size: b.size}
	if r.Machine, err = describeMachine(ctx, b.dir, b.program); err != nil {
		return err
	}
	fmt.Print(r.Machine.text())
	for r.Rounds = 1; r.Rounds <= *rounds; r.Rounds++ {
		for _, p := range chosen {
			took, err := b.measure(ctx, p, r.Rounds)
			if err != nil {
				return fmt.Errorf("measuring %s: %w", p.name, err)
			}
			r.Parts = append(r.Parts, took)
		}
	}
	r.Rounds--
	r.Figures = b.figures.summed()
	fmt.Print("\n" + r.text())
	return r.write(*out)
}

func choose(only string) ([]part, error) {
	if only == "" {
		return parts[:len(parts)-1], nil // large is only for who has the disk for it
	}
	var chosen []part
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only: there is no part %q", name)
		}
		chosen = append(chosen, parts[i])
	}
	return chosen, nil
}

// measure runs one part and notes what else the machine did meanwhile.
func (b *bench) measure(ctx context.Context, p part, round int) (partResult, error) {
	fmt.Printf("\n== %s, round %d\n", p.name, round)
	before := readUsage()
	if err := p.run(b, ctx); err != nil {
		return partResult{}, err
	}
	took := readUsage().since(before)
	took.Name, took.Round = p.name, round
	fmt.Printf("   %s\n", took.text())
	return took, nil
}

// say tells whoever watches what was just measured.
func say(format string, args ...any) { fmt.Printf("   "+format+"\n", args...) }
