package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oschwald/maxminddb-golang/v2"
)

const ipv4CSV = `1.0.0.0,1.0.0.255,13335,"Cloudflare, Inc."
1.0.1.0,1.0.4.0,38803,Gtelecom Pty Ltd
192.168.0.0,192.168.255.255,64512,
`

const ipv6CSV = `2001:200::,2001:200:1b9:ffff:ffff:ffff:ffff:ffff,2500,WIDE Project
2002::,2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff,6939,Hurricane Electric LLC
`

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func convert(t *testing.T, files ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "asn.mmdb")
	if err := run("2026-06-17", out, files); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestRangesBecomeNetworks(t *testing.T) {
	v4, v6 := write(t, "v4.csv", ipv4CSV), write(t, "v6.csv", ipv6CSV)
	made := convert(t, v4, v6)
	if !bytes.Equal(made, convert(t, v4, v6)) {
		t.Error("the same input gave other bytes the second time")
	}
	reader, err := maxminddb.OpenBytes(made)
	if err != nil {
		t.Fatal(err)
	}
	if built := reader.Metadata.BuildTime().UTC().Format("2006-01-02"); built != "2026-06-17" {
		t.Errorf("built on %s", built)
	}
	for ip, want := range map[string]struct {
		asn uint32
		org string
	}{
		"0.255.255.255":                         {},
		"1.0.0.0":                               {13335, "Cloudflare, Inc."},
		"1.0.0.255":                             {13335, "Cloudflare, Inc."},
		"1.0.1.0":                               {38803, "Gtelecom Pty Ltd"},
		"1.0.4.0":                               {38803, "Gtelecom Pty Ltd"}, // the odd last address of a range
		"1.0.4.1":                               {},
		"192.168.1.1":                           {64512, ""},
		"2001:200:1b9:ffff:ffff:ffff:ffff:ffff": {2500, "WIDE Project"},
		"2001:200:1ba::":                        {},
		"2002:100:1::":                          {6939, "Hurricane Electric LLC"}, // not that of 1.0.0.1
	} {
		var got struct {
			ASN uint32 `maxminddb:"autonomous_system_number"`
			Org string `maxminddb:"autonomous_system_organization"`
		}
		if err := reader.Lookup(netip.MustParseAddr(ip)).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got.ASN != want.asn || got.Org != want.org {
			t.Errorf("%s belongs to %d %q, want %d %q", ip, got.ASN, got.Org, want.asn, want.org)
		}
	}
}

func TestOddRowsRefuseTheWhole(t *testing.T) {
	good := "1.0.0.0,1.0.0.255,13335,Cloudflare\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty file":        {"", "is empty"},
		"an HTML page":      {"<html>\n", "line 1: record on line 1: wrong number of fields"},
		"too few fields":    {good + "1.0.1.0,1.0.1.255,1\n", "line 2"},
		"not an address":    {good + "1.0.1,1.0.1.255,1,a\n", `line 2: ParseAddr("1.0.1")`},
		"backwards":         {good + "1.0.1.9,1.0.1.0,1,a\n", "line 2: 1.0.1.9 to 1.0.1.0 is not a range"},
		"two families":      {good + "1.0.1.9,2001::,1,a\n", "is not a range"},
		"no number":         {good + "1.0.1.0,1.0.1.9,AS1,a\n", `line 2: "AS1" is not the number`},
		"number too large":  {good + "1.0.1.0,1.0.1.9,4294967296,a\n", "is not the number"},
		"the reserved zero": {good + "1.0.1.0,1.0.1.9,0,a\n", "is not the number"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "asn.mmdb")
			err := run("2026-06-17", out, []string{write(t, "in.csv", c.text)})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "in.csv") {
				t.Errorf("error %v, want it to hold %q and the file", err, c.want)
			}
			if left, _ := os.ReadDir(filepath.Dir(out)); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestUsageIsChecked(t *testing.T) {
	out := filepath.Join(t.TempDir(), "asn.mmdb")
	if err := run("yesterday", out, []string{"a.csv"}); err == nil || !strings.Contains(err.Error(), "2026-06-17") {
		t.Errorf("a bad day: %v", err)
	}
	if err := run("2026-06-17", out, nil); err == nil {
		t.Error("no files were accepted")
	}
	if err := run("2026-06-17", out, []string{filepath.Join(t.TempDir(), "absent.csv")}); !os.IsNotExist(err) {
		t.Errorf("an absent file: %v", err)
	}
}
