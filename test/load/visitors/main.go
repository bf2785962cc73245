// Command visitors follows a server's links as browsers do, checks every answer,
// and prints what it met: for people on standard error, as JSON on standard output.
//
//	visitors -address 127.0.0.1:8080 -links 1000 -rate 50000 -for 10s -spin
//
// A line on standard input is the server's new address; with -follow, the end of
// standard input is the end of the visit.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sluicehq/sluice/test/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "visitors:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	var o load.Options
	flags := flag.NewFlagSet("visitors", flag.ContinueOnError)
	flags.StringVar(&o.Address, "address", "127.0.0.1:8080", "`host:port` of the server")
	flags.DurationVar(&o.Duration, "for", 0, "how long to visit (default: until interrupted)")
	flags.IntVar(&o.Links, "links", 1, "`number` of links in the portfolio")
	flags.IntVar(&o.Connections, "connections", 64, "`number` of connections")
	flags.IntVar(&o.Depth, "depth", 1, "`number` of requests that a connection has open at a time")
	flags.IntVar(&o.Rate, "rate", 0, "`requests` a second; 0 is as fast as they are answered")
	flags.Uint64Var(&o.Seed, "seed", 1, "`number` from which everything random follows")
	flags.Float64Var(&o.Returning, "returning", 0, "`share` of requests that bring back the last cookie")
	flags.IntVar(&o.Renew, "renew", 0, "make a connection anew after so many `requests`")
	flags.BoolVar(&o.Forwarded, "forwarded", false, "send X-Forwarded-For, another address for each request")
	flags.BoolVar(&o.Spin, "spin", false, "never sleep: for a processor of its own")
	remember := flags.String("remember", "", "`file` for the click id of every answer")
	follow := flags.Bool("follow", false, "read new addresses from standard input, and leave at its end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *remember != "" {
		f, err := os.Create(*remember)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		o.Remember = f
	}
	c, err := load.New(o)
	if err != nil {
		return err
	}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	if *follow {
		go func() {
			defer leave()
			if err := obey(c, os.Stdin); err != nil {
				fmt.Fprintln(os.Stderr, "visitors: leaving:", err)
			}
		}()
	}
	result, err := c.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, result.String())
	return json.NewEncoder(os.Stdout).Encode(result)
}

// obey follows the server until the input ends.
func obey(c *load.Client, input io.Reader) error {
	lines := bufio.NewScanner(input)
	for lines.Scan() {
		if err := c.Follow(strings.TrimSpace(lines.Text())); err != nil {
			return err
		}
	}
	return lines.Err()
}
