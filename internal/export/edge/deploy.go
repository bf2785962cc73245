package edge

import (
	"bufio"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// built are the programs of the edge, built from the folder edge/ of the repository.
//
//go:embed all:dist
var built embed.FS

// writeProgram writes one of them into the folder, under the name that it has there.
func writeProgram(dir, name, as string) error {
	code, err := built.ReadFile("dist/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return affiliate.Errorf(affiliate.Unavailable, "this sluice was built without %s; build it with \"make build\"", name)
	}
	if err != nil {
		return err
	}
	return writeText(filepath.Join(dir, as), 0o644, code)
}

func writeText(path string, mode fs.FileMode, text []byte) error {
	return export.WriteFile(path, mode, func(w *bufio.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

const deployScript = `#!/bin/sh
# Puts the links into the store, deploys the worker, and only then notes what is deployed: the
# next "sluice export workers --since-last" writes what differs from that. Run it again after a failure.
set -eu
cd "$(dirname "$0")"
[ -e kv.state.new ] || { echo "everything here is deployed already; export again first" >&2; exit 1; }
wrangler=${WRANGLER:-npx --yes wrangler@4}
for file in kv-put-*.json; do
	[ -e "$file" ] || continue
	$wrangler kv bulk put "$file" --binding LINKS --remote
done
if [ -e kv-delete.json ]; then
	$wrangler kv bulk delete kv-delete.json --binding LINKS --remote --force
fi
$wrangler deploy
mv kv.state.new kv.state
rm -f kv-put-*.json kv-delete.json
`

// wranglerTop stands above the configuration.
const wranglerTop = `// How the worker is deployed. This file is written once; it is yours to change.
// Its secrets are not in it. Give them to wrangler:
//   wrangler secret put COOKIE_KEYS < data/keys/cookie        so that visitors are the same ones as at the server
//   for site in SITE ...; do sluice ingest key $site; done | wrangler secret put INGEST_KEYS
`

type wranglerConfig struct {
	Name              string            `json:"name"`
	Main              string            `json:"main"`
	CompatibilityDate string            `json:"compatibility_date"`
	Routes            []wranglerRoute   `json:"routes,omitempty"`
	KVNamespaces      []wranglerKV      `json:"kv_namespaces"`
	Vars              map[string]string `json:"vars"`
	Observability     map[string]bool   `json:"observability"`
}

type wranglerRoute struct {
	Pattern  string `json:"pattern"`
	ZoneName string `json:"zone_name"`
}

type wranglerKV struct {
	Binding string `json:"binding"`
	ID      string `json:"id"`
}

// writeRest writes what is deployed beside the documents.
func (w *Workers) writeRest(from *export.Source, dir string) error {
	if err := writeProgram(dir, "worker.js", "worker.js"); err != nil {
		return err
	}
	if err := writeText(filepath.Join(dir, "deploy.sh"), 0o755, []byte(deployScript)); err != nil {
		return err
	}
	path := filepath.Join(dir, "wrangler.jsonc")
	if _, err := os.Stat(path); err == nil {
		return nil // the operator's own by now
	}
	text, err := json.MarshalIndent(w.wrangler(from), "", "  ")
	if err != nil {
		return err
	}
	return writeText(path, 0o644, []byte(wranglerTop+string(text)+"\n"))
}

func (w *Workers) wrangler(from *export.Source) wranglerConfig {
	c := wranglerConfig{
		Name: "sluice-links", Main: "worker.js", CompatibilityDate: "2026-07-01",
		KVNamespaces:  []wranglerKV{{"LINKS", w.Namespace}},
		Vars:          map[string]string{"CACHE_SECONDS": "30", "KV_MILLISECONDS": "250", "INGEST_URL": w.IngestURL},
		Observability: map[string]bool{"enabled": true},
	}
	if w.Namespace == "" {
		c.KVNamespaces[0].ID = "the id that \"wrangler kv namespace create LINKS\" prints"
	}
	for _, s := range from.Sites {
		for _, host := range s.Hosts {
			c.Routes = append(c.Routes, wranglerRoute{host + s.Prefix + "*", zoneOf(host)})
		}
		if c.Vars["DEFAULT_URL"] == "" && s.DefaultURL != "" {
			c.Vars["DEFAULT_URL"] = s.DefaultURL
		}
	}
	if w.IngestURL == "" {
		c.Vars["INGEST_URL"] = "https://SLUICE/ingest/clicks"
	}
	return c
}

// zoneOf is the zone that a host most likely belongs to: what somebody can register. Where that
// is wrong the operator corrects it.
func zoneOf(host string) string {
	zone, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host
	}
	return zone
}

// String lists a difference for people, each kind with its first few keys.
func (d *Difference) String() string {
	var b strings.Builder
	for _, kind := range []struct {
		what string
		keys []string
	}{{"missing", d.Missing}, {"different", d.Different}, {"surplus", d.Surplus}} {
		if len(kind.keys) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s: %d", kind.what, len(kind.keys))
		for i, key := range kind.keys {
			if i == 10 {
				b.WriteString("\n  …")
				break
			}
			b.WriteString("\n  " + key)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
