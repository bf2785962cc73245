package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// Commands are how nginx is asked to check its configuration and to read it again. Each is a
// line for the shell.
type Commands struct {
	Test   string // "nginx -t" by default
	Reload string // "nginx -s reload" by default
}

// The default commands.
const (
	DefaultTest   = "nginx -t"
	DefaultReload = "nginx -s reload"
)

// Install exports into dir and has nginx serve it. The files are made beside the former ones and
// put in their place; when nginx refuses them, the former are put back, nginx serves on with those,
// and the error has nginx's own words.
func (t *Target) Install(ctx context.Context, from *export.Source, at time.Time, dir string, c Commands) (*export.Report, error) {
	next, err := os.MkdirTemp(dir, ".next-")
	if err != nil {
		return nil, fmt.Errorf("nginx export: %w", err)
	}
	defer func() { _ = os.RemoveAll(next) }()
	report, err := t.Export(ctx, from, at, next)
	if err != nil {
		return nil, err
	}
	former, err := os.MkdirTemp(dir, ".former-")
	if err != nil {
		return nil, fmt.Errorf("nginx export: %w", err)
	}
	defer func() { _ = os.RemoveAll(former) }()
	if err := keepFormer(dir, former); err != nil {
		return nil, err
	}
	if err := moveAll(next, dir); err != nil {
		return nil, errors.Join(err, restore(former, dir))
	}
	if err := run(ctx, orDefault(c.Test, DefaultTest)); err != nil {
		return nil, errors.Join(fmt.Errorf("nginx refuses the export; the former files are back and nginx serves on with them: %w", err), restore(former, dir))
	}
	if err := run(ctx, orDefault(c.Reload, DefaultReload)); err != nil {
		return nil, errors.Join(fmt.Errorf("nginx does not read the export; the former files are back: %w", err), restore(former, dir))
	}
	return report, nil
}

func orDefault(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

var files = []string{HTTPFile, ServerFile}

// keepFormer puts a second name on the files that are there, so that they stay when others take their place.
func keepFormer(dir, former string) error {
	for _, name := range files {
		if err := os.Link(filepath.Join(dir, name), filepath.Join(former, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("nginx export: the former file cannot be kept: %w", err)
		}
	}
	return nil
}

func moveAll(from, to string) error {
	for _, name := range files {
		if err := os.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return fmt.Errorf("nginx export: %w", err)
		}
	}
	return nil
}

// restore puts the former files back, and takes away those that had none before.
func restore(former, dir string) error {
	var all error
	for _, name := range files {
		err := os.Rename(filepath.Join(former, name), filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			err = os.Remove(filepath.Join(dir, name))
			if errors.Is(err, os.ErrNotExist) {
				err = nil
			}
		}
		all = errors.Join(all, err)
	}
	return all
}

// outputBytesMax bounds what is repeated of a command's words.
const outputBytesMax = 4000

func run(ctx context.Context, command string) error {
	b, err := exec.CommandContext(ctx, "sh", "-c", command).CombinedOutput()
	if err == nil {
		return nil
	}
	if len(b) > outputBytesMax {
		b = b[len(b)-outputBytesMax:]
	}
	return fmt.Errorf("%s: %w\n%s", command, err, bytes.TrimSpace(b))
}

// State is what Check finds.
type State struct {
	Deployed Deployed `json:"deployed"`
	// Differs: the links lead elsewhere than what is deployed.
	Differs bool `json:"differs"`
	// Stale: what is deployed held until an instant that has passed.
	Stale bool `json:"stale"`
}

// Deployed is what an export says of itself.
type Deployed struct {
	Sum   string    `json:"sum"`
	Links int       `json:"links"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until,omitzero"`
}

// Fine says that nothing has to be done.
func (s State) Fine() bool { return !s.Differs && !s.Stale }

// Check compares what is deployed, in a folder or at the address of a site that nginx serves, with what would
// be exported now.
func (t *Target) Check(ctx context.Context, from *export.Source, at time.Time, where string) (*State, error) {
	deployed, err := find(ctx, where)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-export-")
	if err != nil {
		return nil, fmt.Errorf("nginx export: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := t.Export(ctx, from, at, dir); err != nil {
		return nil, err
	}
	now, err := read(filepath.Join(dir, HTTPFile))
	if err != nil {
		return nil, err
	}
	s := &State{Deployed: *deployed, Differs: now.Sum != deployed.Sum, Stale: !deployed.Until.IsZero() && !at.Before(deployed.Until)}
	if s.Differs || !isFolder(where) {
		return s, nil
	}
	server, err := read(filepath.Join(where, ServerFile))
	if err != nil {
		return nil, err
	}
	fresh, err := read(filepath.Join(dir, ServerFile))
	if err != nil {
		return nil, err
	}
	s.Differs = server.Sum != fresh.Sum
	return s, nil
}

func isFolder(where string) bool { return !strings.Contains(where, "://") }

// find reads what is deployed.
func find(ctx context.Context, where string) (*Deployed, error) {
	if isFolder(where) {
		return read(filepath.Join(where, HTTPFile))
	}
	address := strings.TrimSuffix(where, "/")
	if !strings.HasSuffix(address, StatusPath) {
		address += StatusPath
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, affiliate.Errorf(affiliate.Invalid, "%q is not an address: %v", where, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("nginx cannot be asked what it serves: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return nil, fmt.Errorf("nginx cannot be asked what it serves: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: include %s in that server", address, response.Status, ServerFile)
	}
	return parse(address, string(b))
}

// read finds the last line of a file.
func read(path string) (*Deployed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("there is no export: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	const tail = 4096
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, err = f.Seek(max(0, size-tail), io.SeekStart)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return parse(path, lines[len(lines)-1])
}

// parse reads the line by which an export is known.
func parse(where, line string) (*Deployed, error) {
	d := &Deployed{}
	var at, until string
	if _, err := fmt.Sscanf(strings.TrimSpace(line), trailerMark+" sum=%s links=%d at=%s until=%s", &d.Sum, &d.Links, &at, &until); err != nil {
		return nil, fmt.Errorf("%s is no export of sluice, or it is cut off: it does not end in the line that says which", where)
	}
	var err error
	if d.At, err = time.Parse(time.RFC3339, at); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	if until != "-" {
		if d.Until, err = time.Parse(time.RFC3339, until); err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
	}
	return d, nil
}
