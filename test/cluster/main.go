package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	o := Options{Root: "."}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.StringVar(&o.Dir, "dir", filepath.Join(os.TempDir(), "sluice-cluster"), "`folder` of everything")
	flags.StringVar(&o.Binary, "binary", "bin/sluice", "the `program`")
	flags.StringVar(&o.Broker, "broker", "kafka", "`kafka` or rabbitmq")
	flags.BoolVar(&o.Replicas, "replicas", false, "ClickHouse in two shards of two replicas")
	flags.IntVar(&o.Redirects, "redirects", 3, "`number` of nodes that answer visitors")
	flags.IntVar(&o.Controls, "controls", 2, "`number` of control nodes")
	flags.IntVar(&o.Pipelines, "pipelines", 2, "`number` of collectors")
	flags.IntVar(&o.Port, "port", 22000, "first `port`; some two hundred are used")
	flags.IntVar(&o.Sources, "partitions", 12, "`number` of the broker's partitions")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.Root, err = filepath.Abs(o.Root); err != nil {
		return err
	}
	if o.Binary, err = filepath.Abs(o.Binary); err != nil {
		return err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	c, err := Start(ctx, o)
	defer func() { err = errors.Join(err, c.Stop()) }()
	if err != nil {
		return err
	}
	c.describe()
	<-ctx.Done()
	fmt.Println("Stopping.")
	return nil
}

// describe tells where everything is.
func (c *Cluster) describe() {
	fmt.Printf("\nA cluster is running in %s. Ctrl-C stops it; what it has kept is there at the next start.\n\n", c.Dir)
	fmt.Printf("  links        http://%s/go/NAME          HAProxy before %d nodes\n", c.Visitors(), len(c.Redirect))
	fmt.Printf("  dashboard    http://%s/                 HAProxy before %d control nodes\n", c.Office(), len(c.Control))
	if login := c.firstLogin(); login != "" {
		fmt.Printf("  first login  %s    works once, within a day\n", login)
	}
	if len(c.Control) > 0 {
		fmt.Printf("  administer   %s link add the-thing https://shop.example/thing --data %s\n", c.Binary, c.Control[0].dir)
	}
	for _, n := range c.Nodes() {
		fmt.Printf("  %-12s http://%s/healthz    log %s\n", n.name, n.Admin, n.process.log)
	}
	for name, address := range c.engines {
		fmt.Printf("  %-12s %s\n", name, address)
	}
	fmt.Println()
}

var loginLine = regexp.MustCompile(`first login\s+(\S+)`)

// firstLogin is what a control node has printed last, "" once somebody has a password.
func (c *Cluster) firstLogin() (login string) {
	for _, n := range c.Control {
		text, err := os.ReadFile(n.process.log)
		if err != nil {
			continue
		}
		if all := loginLine.FindAllSubmatch(text, -1); len(all) > 0 {
			login = string(all[len(all)-1][1])
		}
	}
	return login
}
