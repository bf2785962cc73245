package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// connections of the visitors that click as fast as they are answered.
const connections = 64

// redirect measures what an answer costs. Two servers have the same links; one of
// them has no back office, because a file lies where its reports should be: what
// it takes is the redirect and its record alone.
func (b *bench) redirect(ctx context.Context) (err error) {
	whole, alone := filepath.Join(b.dir, "redirect-whole"), filepath.Join(b.dir, "redirect-alone")
	defer func() { err = errors.Join(err, os.RemoveAll(whole), os.RemoveAll(alone)) }()
	if err := b.prepareRedirects(ctx, whole, alone); err != nil {
		return err
	}
	w, err := b.open(ctx, whole)
	if err != nil {
		return err
	}
	defer w.kill()
	a, err := b.start(alone)
	if err != nil {
		return err
	}
	defer a.kill()
	if _, err := a.firstRedirect(ctx, slugOf(0)); err != nil {
		return err
	}
	for range b.size.RedirectTurns {
		if err := b.turn(ctx, a, "redirect alone", false); err != nil {
			return err
		}
		if err := b.turn(ctx, w, "redirect to report", true); err != nil {
			return err
		}
	}
	return w.stop()
}

// prepareRedirects makes the two data folders.
func (b *bench) prepareRedirects(ctx context.Context, whole, alone string) error {
	file := filepath.Join(b.dir, "redirect.csv")
	if err := writeLinks(file, b.size.RedirectLinks); err != nil {
		return err
	}
	for _, data := range []string{whole, alone} {
		// Without a server the command works on the folder itself.
		if out, err := exec.CommandContext(ctx, b.program, "link", "import", file, "--data", data).CombinedOutput(); err != nil {
			return fmt.Errorf("the import failed: %w\n%.500s", err, out)
		}
	}
	if err := os.RemoveAll(filepath.Join(alone, "analytics")); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(alone, "analytics"), nil, 0o600)
}

func (b *bench) turn(ctx context.Context, s *server, name string, drain bool) error {
	c := crowd{address: s.links, size: connections, slug: func(int, int) string { return slugOf(rand.IntN(b.size.RedirectLinks)) }}
	used := s.processor()
	got, err := c.click(ctx, time.Duration(b.size.TurnSeconds)*time.Second)
	if err == nil && drain {
		err = s.drained(ctx)
	}
	if err != nil {
		return err
	}
	if got.refused > 0 {
		return fmt.Errorf("%d clicks were not answered with 302", got.refused)
	}
	n := float64(len(got.waits))
	cost := float64((s.processor()-used)/time.Microsecond) / n
	b.figures.of(name+", processor time", "µs/click", "").add(cost)
	b.figures.of(name+", beside its visitors", "clicks/s", "").add(n / got.took.Seconds())
	say("%s: %.1f µs of a processor, %.0f/s", name, cost, n/got.took.Seconds())
	return nil
}
