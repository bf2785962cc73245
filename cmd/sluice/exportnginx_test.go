package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice/internal/export/nginx"
)

func TestExportNginx(t *testing.T) {
	data, folder := served(t), filepath.Join(t.TempDir(), "nginx")
	sluice(t, data, "link", "add", "kettle", "https://a.example/k?$x=\"1\";").must(t, exitProblems) // a quote belongs into no URL
	sluice(t, data, "link", "add", "kettle", "https://a.example/k?$x='1';").must(t, exitFine)
	sluice(t, data, "link", "add", "test", "https://a.example/1", "https://a.example/2", "--weight", "70,30", "--ends", "2090-01-02").must(t, exitFine)

	got := sluice(t, data, "export", "nginx", folder, "--country-header", "CF-IPCountry").must(t, exitFine)
	contains(t, got.out, "2 links written", "good until 2090-01-02T00:00:00Z", "differs from Sluice: weights (1)", "/test: weights: nginx hashes visitors otherwise")
	b, err := os.ReadFile(filepath.Join(folder, nginx.HTTPFile))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(b), `https://a.example/k?${sluice_dollar}x='1';";`, "$http_cf_ipcountry")

	check := []string{"export", "nginx", folder, "--check", "--country-header", "CF-IPCountry"}
	contains(t, sluice(t, data, check...).must(t, exitFine).out, "what is deployed is what the links say: 2 links")
	sluice(t, data, "link", "update", "kettle", "--url", "https://b.example/").must(t, exitFine)
	contains(t, sluice(t, data, check...).must(t, exitProblems).out, "differs: ", "export again")

	before := string(b)
	got = sluice(t, data, "export", "nginx", folder, "--reload", "--test-command", "echo it has no place; exit 1").must(t, exitFailed)
	contains(t, got.err, "nginx refuses the export", "it has no place")
	if b, err = os.ReadFile(filepath.Join(folder, nginx.HTTPFile)); err != nil || string(b) != before {
		t.Errorf("the former file is not back (%v)", err)
	}
	sluice(t, data, "export", "nginx", folder, "--reload", "--test-command", "true", "--reload-command", "true", "--country-header", "CF-IPCountry").must(t, exitFine)
	contains(t, sluice(t, data, check...).must(t, exitFine).out, "2 links")

	for _, wrong := range [][]string{{"--country-header", "a b"}, {"--country-variable", "$x; }"}, {"--log", "/var/log/x; }"}} {
		sluice(t, data, append([]string{"export", "nginx", folder}, wrong...)...).must(t, exitFailed)
	}
	contains(t, sluice(t, data, "export", "nginx", t.TempDir(), "--check").must(t, exitFailed).err, "there is no export")
}
