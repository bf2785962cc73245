// Command walk serves a data folder like `sluice serve`, on a clock that can be moved
// ahead: each line of its standard input is a duration such as 1080h, by which the
// clock jumps. What takes 45 days in the world is walked through in seconds, with the
// whole program as it is. It stops at the end of its input, or when it is told to.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluicehq/sluice/internal/app"
	"github.com/sluicehq/sluice/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := walk(ctx, stop); err != nil {
		fmt.Fprintln(os.Stderr, "walk:", err)
		os.Exit(1)
	}
}

func walk(ctx context.Context, stop func()) (err error) {
	if len(os.Args) != 2 {
		return errors.New("usage: walk DATA-FOLDER")
	}
	cfg := config.Default()
	cfg.Data, cfg.Listen, cfg.Admin = os.Args[1], "127.0.0.1:0", "127.0.0.1:0"
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	a, err := app.Build(ctx, cfg, app.Options{Version: "walk", Logger: logger, Out: os.Stdout, Now: now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	go func() {
		defer stop()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			d, err := time.ParseDuration(lines.Text())
			if err != nil || d < 0 {
				fmt.Fprintf(os.Stderr, "walk: %q is not a duration such as 1080h\n", lines.Text())
				return
			}
			ahead.Add(int64(d))
			fmt.Println("clock", now().UTC().Format(time.RFC3339))
		}
	}()
	return a.Run(ctx)
}
