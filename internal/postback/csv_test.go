package postback

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/internal/affiliate"
)

var csvInbox = Inbox{Program: "shop", Currency: "EUR"}

// lines tells what became of a file: "2 A-1" or "3 amount_negative amount" for each line.
func lines(t testing.TB, r io.Reader) []string {
	t.Helper()
	var told []string
	for row, err := range ReadCSV(r, csvInbox, noon) {
		var refusal *Refusal
		switch {
		case errors.As(err, &refusal):
			told = append(told, strings.TrimSpace(fmt.Sprintf("%d %s %s", row.Line, refusal.Reason, refusal.Field)))
		case err != nil:
			told = append(told, fmt.Sprintf("%d %v", row.Line, err))
		default:
			told = append(told, fmt.Sprintf("%d %s", row.Line, row.Report.Tx))
		}
	}
	return told
}

func TestCSV(t *testing.T) {
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"commas", "txid,amount\nA-1,5\nA-2,6\n", []string{"2 A-1", "3 A-2"}},
		{"aliases, any case, any order", "Amount, ORDER_ID\r\n5,A-1\r\n", []string{"2 A-1"}},
		{"semicolons and a byte order mark", "\ufefftxid;amount\nA-1;5\n", []string{"2 A-1"}},
		{"tabs, no line end", "txid\tamount\nA-1\t5", []string{"2 A-1"}},
		{"empty lines", "\ntxid\n\nA-1\n\n\nA-2\n\n", []string{"4 A-1", "7 A-2"}},
		{"line breaks in quotes", "txid,coupon\nA-1,\"10% off\"\nA-2,x\n", []string{"2 A-1", "3 A-2"}},
		{"a header only", "txid\n", nil},
		{"bad lines between", "txid,amount\nA-1,5\nA-2,-5\nA-3,5,6\nA-4\nA-5,x\n,7\nA-6,{amount}\nA-7,7\n",
			[]string{"2 A-1", "3 amount_negative amount", "4 row_malformed", "5 row_malformed", "6 amount_malformed amount", "7 order_missing txid", "8 macro_unresolved amount", "9 A-7"}},
		{"a broken quote", "txid,amount\nA-1,\"5\nA-2,6\n", []string{"2 row_malformed"}},
		{"a bare quote", "txid,amount\nA\"1,5\nA-2,6\n", []string{"2 row_malformed", "3 A-2"}},
		{"Latin 1", "txid,coupon\nA-1,\xe4\nA-2,x\n", []string{"2 encoding_malformed", "3 A-2"}},
		{"a long value", "txid,coupon\nA-1," + strings.Repeat("x", 1025) + "\nA-2,x\n", []string{"2 value_too_long coupon", "3 A-2"}},
		{"columns that disagree", "txid,order_id\nA-1,A-1\nA-1,A-2\n", []string{"2 A-1", "3 aliases_disagree order_id"}},
		{"empty", "", []string{"1 header_unknown"}},
		{"no header", "A-1,5\nA-2,6\n", []string{"1 header_unknown a-1"}},
		{"an unknown column", "txid,amonut\nA-1,5\n", []string{"1 header_unknown amonut"}},
		{"a column twice", "txid,amount,amount\nA-1,5,5\n", []string{"1 header_unknown amount"}},
		{"no order", "amount,currency\n5,EUR\n", []string{"1 header_unknown txid"}},
		{"a signature", "txid,sig\nA-1,x\n", []string{"1 header_unknown sig"}},
		{"no text at all", "\x00\x01\x02\xff\xfe\n\x00", []string{"1 encoding_malformed"}},
	} {
		if diff := cmp.Diff(c.want, lines(t, iotest.OneByteReader(strings.NewReader(c.file)))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestCSVReportsAreWhole(t *testing.T) {
	file := "click_id,txid,amount,payout,currency,status,reason,at,sub2,customer\n" +
		clickID + ",A-1,10,1.5,USD,declined,item_returned,2026-11-01T00:00:00Z,two,returning\n" +
		",A-2,,,,mystery,,,,\n"
	var reports []affiliate.Report
	var warnings []string
	for row, err := range ReadCSV(strings.NewReader(file), csvInbox, noon) {
		if err != nil {
			t.Fatal(err)
		}
		reports, warnings = append(reports, row.Report), append(warnings, row.Warnings...)
	}
	at := noon.AddDate(0, 0, -26).Add(-12 * 3600e9)
	want := []affiliate.Report{
		{Program: "shop", Tx: "A-1", ClickID: clickID, Amount: money(1000, "USD"), Payout: money(150, "USD"), Status: affiliate.ReportReversed, Original: "declined",
			Reason: affiliate.ReasonReturned, At: at, Taken: noon, Subs: []string{"", "two"}, Customer: affiliate.ReturningCustomer, Source: affiliate.ByCSV},
		{Program: "shop", Tx: "A-2", Status: affiliate.ReportPending, Original: "mystery", Taken: noon, Source: affiliate.ByCSV},
	}
	if diff := cmp.Diff(want, reports); diff != "" {
		t.Error(diff)
	}
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "status_unknown: ") {
		t.Errorf("%q", warnings)
	}
}

func TestCSVHeaderErrorNamesTheColumns(t *testing.T) {
	for _, err := range ReadCSV(strings.NewReader("order number,total\n1,2\n"), csvInbox, noon) {
		for _, column := range CSVColumns() {
			if !strings.Contains(err.Error(), column) {
				t.Errorf("%q does not name %s", err, column)
			}
		}
	}
}

// repeat is a file that never ends.
type repeat struct {
	head string
	line []byte
	rest []byte
	read int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.head != "" {
		n := copy(p, r.head)
		r.head = r.head[n:]
		r.read += n
		return n, nil
	}
	if len(r.rest) == 0 {
		r.rest = r.line
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.read += n
	return n, nil
}

func TestCSVIsBounded(t *testing.T) {
	long := []byte("A-1," + strings.Repeat("x", 1000) + "\n")
	for _, c := range []struct {
		name     string
		file     *repeat
		rows     int // taken at least
		lastLine int
	}{
		{"rows", &repeat{head: "txid\n", line: []byte("A-1\n")}, CSVRowsMax, CSVRowsMax + 2},
		{"bad rows", &repeat{head: "txid\n", line: []byte("a\"b\n")}, 0, CSVRowsMax + 2},
		{"bytes", &repeat{head: "txid,coupon\n", line: long}, CSVBytesMax/len(long) - 1, CSVBytesMax/len(long) + 2},
		{"a quote that is never closed", &repeat{head: "txid\nA-1\n\"", line: long}, 1, 3},
		{"a line that never ends", &repeat{head: "txid\nA-1\n", line: []byte("xxxxxxxx")}, 1, 3},
		{"a header that never ends", &repeat{line: []byte("xxxxxxxx")}, 0, 1},
	} {
		taken, line := 0, 0
		var last error
		for row, err := range ReadCSV(c.file, csvInbox, noon) {
			if line, last = row.Line, err; err == nil {
				taken++
			}
		}
		var refusal *Refusal
		if !errors.As(last, &refusal) || refusal.Reason != FileTooLarge || taken < c.rows || line != c.lastLine {
			t.Errorf("%s: %d taken, then line %d: %v; want %d, then line %d", c.name, taken, line, last, c.rows, c.lastLine)
		}
		if c.lastLine <= 3 && c.file.read > 2*BodyBytesMax {
			t.Errorf("%s: %d bytes were read of one line", c.name, c.file.read)
		}
	}
}

func TestCSVOfExactlyTheMost(t *testing.T) {
	file := append([]byte("txid\n"), bytes.Repeat([]byte("A-1\n"), CSVRowsMax)...)
	if told := lines(t, bytes.NewReader(file)); len(told) != CSVRowsMax || told[CSVRowsMax-1] != fmt.Sprintf("%d A-1", CSVRowsMax+1) {
		t.Errorf("%d lines, the last %s", len(told), told[len(told)-1])
	}
}

func TestCSVThatBreaksOff(t *testing.T) {
	broken := errors.New("connection reset")
	told := lines(t, io.MultiReader(strings.NewReader("txid\nA-1\n"), iotest.ErrReader(broken)))
	if diff := cmp.Diff([]string{"2 A-1", "3 read the file: connection reset"}, told); diff != "" {
		t.Error(diff)
	}
}

func TestCSVCanBeLeft(t *testing.T) {
	for range ReadCSV(&repeat{head: "txid\n", line: []byte("A-1\n")}, csvInbox, noon) {
		break
	}
}
