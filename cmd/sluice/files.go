package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// intoFile runs fn with the program's output, or with a file that appears whole
// or not at all.
func (p *program) intoFile(name string, fn func(w io.Writer) error) (err error) {
	if name == "" || name == "-" {
		return fn(p.out)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return intoDevice(name, fn)
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	if err := errors.Join(fn(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(part, name)
}

// intoDevice writes to what is there and no file: a pipe, /dev/stdout.
func intoDevice(name string, fn func(w io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	return errors.Join(fn(f), f.Close())
}

// openInput opens a file, or the standard input for "-". size is -1 when it is
// not known.
func (p *program) openInput(name string) (r io.ReadCloser, size int64, err error) {
	if name == "-" {
		return io.NopCloser(p.in), -1, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if info.IsDir() {
		return nil, 0, errors.Join(fmt.Errorf("cannot read %s: it is a folder", name), f.Close())
	}
	if !info.Mode().IsRegular() {
		return f, -1, nil
	}
	return f, info.Size(), nil
}
