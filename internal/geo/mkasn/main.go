// Command mkasn turns the CSV files of @ip-location-db/asn (ranges of addresses,
// each with the number and name of its autonomous system) into the MaxMind DB
// file that the binary embeds. It runs before the build, from
// scripts/fetch-geo.sh; the same input gives the same bytes.
//
//	mkasn -built 2026-06-17 -o asn.mmdb asn-ipv4.csv asn-ipv6.csv
package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// databaseType tells readers which keys to expect: those of GeoLite2-ASN.
const databaseType = "Sluice-ASN"

func main() {
	built := flag.String("built", "", "day on which the publisher built the data, as 2006-01-02")
	out := flag.String("o", "asn.mmdb", "file to write")
	flag.Parse()
	if err := run(*built, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mkasn:", err)
		os.Exit(2)
	}
}

func run(built, out string, files []string) error {
	day, err := time.Parse(time.DateOnly, built)
	if err != nil {
		return fmt.Errorf("-built %q is not a day such as 2026-06-17", built)
	}
	if len(files) == 0 {
		return errors.New("name at least one CSV file")
	}
	tree, err := newTree(day)
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := addFile(tree, name); err != nil {
			return err
		}
	}
	return writeAside(out, tree)
}

// newTree keeps records of 24 bits, which hold about 16 million nodes and bytes
// of data: twice what the whole internet needs today. The writer says so when
// that ends. Addresses that only wrap an IPv4 address are not answered twice,
// and reserved ones are kept as the publisher has them: the reader ignores them.
func newTree(day time.Time) (*mmdbwriter.Tree, error) {
	return mmdbwriter.New(mmdbwriter.Options{
		BuildEpoch:              day.Unix(),
		DatabaseType:            databaseType,
		Description:             map[string]string{"en": "Autonomous systems of @ip-location-db/asn (Route Views, DB-IP, NRO), CC BY 4.0, converted"},
		RecordSize:              24,
		DisableIPv4Aliasing:     true,
		IncludeReservedNetworks: true,
		KeyGenerator:            owners{},
	})
}

// owners names a record by its number and name, so that each is stored once.
type owners struct{}

// Key is called by the writer for each range.
func (owners) Key(value mmdbtype.DataType) ([]byte, error) {
	record, ok := value.(mmdbtype.Map)
	if !ok {
		return nil, fmt.Errorf("BUG: a record of type %T", value)
	}
	number, _ := record["autonomous_system_number"].(mmdbtype.Uint32)
	name, _ := record["autonomous_system_organization"].(mmdbtype.String)
	return strconv.AppendUint([]byte(name+"\x00"), uint64(number), 10), nil
}

func addFile(tree *mmdbwriter.Tree, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := addRows(tree, file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// addRows reads rows of first address, last address, number, name. One row that
// cannot be understood refuses the whole: a build should not guess.
func addRows(tree *mmdbwriter.Tree, from io.Reader) error {
	rows := csv.NewReader(bufio.NewReaderSize(from, 1<<20))
	rows.FieldsPerRecord = 4
	rows.ReuseRecord = true
	count := 0
	for ; ; count++ {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = addRow(tree, row)
		}
		if err != nil {
			line, _ := rows.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	if count == 0 {
		return errors.New("is empty: fetch the package again")
	}
	return nil
}

func addRow(tree *mmdbwriter.Tree, row []string) error {
	first, err := netip.ParseAddr(row[0])
	if err != nil {
		return err
	}
	last, err := netip.ParseAddr(row[1])
	if err != nil {
		return err
	}
	if first.Is4() != last.Is4() || last.Less(first) {
		return fmt.Errorf("%v to %v is not a range of addresses", first, last)
	}
	number, err := strconv.ParseUint(row[2], 10, 32)
	if err != nil || number == 0 {
		return fmt.Errorf("%q is not the number of an autonomous system", row[2])
	}
	record := mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(number)}
	if row[3] != "" {
		record["autonomous_system_organization"] = mmdbtype.String(row[3])
	}
	return tree.InsertRange(net.IP(first.AsSlice()), net.IP(last.AsSlice()), record)
}

// writeAside renames a finished file into place, so that an interrupted run
// leaves no half file to embed.
func writeAside(out string, tree *mmdbwriter.Tree) error {
	file, err := os.CreateTemp(filepath.Dir(out), ".mkasn-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	_, err = tree.WriteTo(buffered)
	if err := errors.Join(err, buffered.Flush(), file.Chmod(0o644), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", out, err)
	}
	return os.Rename(file.Name(), out)
}
