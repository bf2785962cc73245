package remittance

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// valid asks xmllint whether files keep to the rules in testdata. It returns what it
// says of each that does not, by the file's index.
func valid(t testing.TB, v Version, files ...[]byte) map[int]string {
	t.Helper()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Fatal("xmllint is missing, and without it nobody has checked the files for banks: install it (Debian: apt-get install libxml2-utils)")
	}
	dir := t.TempDir()
	arguments := []string{"--nonet", "--noout", "--schema", filepath.Join("testdata", string(v)+".xsd")}
	for i, file := range files {
		name := filepath.Join(dir, fmt.Sprintf("%d.xml", i))
		if err := os.WriteFile(name, file, 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, name)
	}
	said, err := exec.Command(lint, arguments...).CombinedOutput()
	found := map[int]string{}
	for i := range files {
		name := filepath.Join(dir, fmt.Sprintf("%d.xml", i))
		if !bytes.Contains(said, []byte(name+" validates\n")) {
			found[i] = string(said)
		}
	}
	if (err == nil) != (len(found) == 0) {
		t.Fatalf("xmllint ends with %v and finds fault with %d files: %s", err, len(found), said)
	}
	return found
}

// file is the message of the example in either version.
func file(t testing.TB, m Message, list []Transfer) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := WriteSEPA(&out, m, list); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestFilesKeepToTheSchema(t *testing.T) {
	for _, m := range []Message{message(), older(message())} {
		if m.Version == "" {
			m.Version = Pain00100109
		}
		short := m
		short.Debtor.BIC = ""
		bare := two()[1:]
		bare[0].Text = ""
		largest := two()
		largest[0].Amount = eur(sepaAmountMax)
		largest[0].Name, largest[0].Text, largest[0].ID = strings.Repeat("ä", 35), strings.Repeat("x/", 70), strings.Repeat("x", 35)
		files := [][]byte{file(t, m, two()), file(t, short, two()), file(t, m, bare), file(t, m, largest)}
		for i, said := range valid(t, m.Version, files...) {
			t.Errorf("%s, file %d: %s\n%s", m.Version, i, said, files[i])
		}
	}
}

// changes make a valid file wrong by one rule each. What is not there in a version is
// passed over.
var changes = []struct{ what, from, to string }{
	{"another namespace", "xsd:pain.001.001.0", "xsd:pain.001.001.1"},
	{"an element nobody knows", "<ChrgBr>", "<Chrgs>x</Chrgs><ChrgBr>"},
	{"a bank in .03's words", "<BICFI>COBADEFFXXX</BICFI>", "<BIC>COBADEFFXXX</BIC>"},
	{"a bank in .09's words", "<BIC>COBADEFFXXX</BIC>", "<BICFI>COBADEFFXXX</BICFI>"},
	{"a day in .03's words", "<Dt>2026-11-30</Dt>", "2026-11-30"},
	{"a day in .09's words", "<ReqdExctnDt>2026-11-30<", "<ReqdExctnDt><Dt>2026-11-30</Dt><"},
	{"no such day", "2026-11-30", "2026-11-31"},
	{"a day with its time", "2026-11-30", "2026-11-30T00:00:00"},
	{"a time without seconds", "12:00:00Z", "12:00Z"},
	{"an amount of zero", ">123.45<", ">0.00<"},
	{"an amount below zero", ">123.45<", ">-123.45<"},
	{"an amount with a comma", ">123.45<", ">123,45<"},
	{"an amount with an exponent", ">123.45<", ">1e2<"},
	{"three decimals", ">123.45<", ">123.451<"},
	{"more than SEPA carries", ">123.45<", ">1000000000.00<"},
	{"another currency", `Ccy="EUR"`, `Ccy="USD"`},
	{"no currency", ` Ccy="EUR"`, ""},
	{"a sum of three decimals", "<CtrlSum>123.52", "<CtrlSum>123.521"},
	{"a sum of 19 digits", "<CtrlSum>123.52", "<CtrlSum>12345678901234567.89"},
	{"a count of 16 digits", "<NbOfTxs>2", "<NbOfTxs>1234567890123456"},
	{"a count that is a word", "<NbOfTxs>2", "<NbOfTxs>two"},
	{"an id of 36", ">po-2026-11-0001<", ">" + strings.Repeat("x", 36) + "<"},
	{"an id twice", ">po-2026-11-0001<", ">po-2026-11-0002<"},
	{"an id that ends in a slash", ">po-2026-11-0001<", ">po-2026-11-0001/<"},
	{"an id with two slashes", ">po-2026-11-0001<", ">po//1<"},
	{"a name of 71", ">Anna Mueller-Luedenscheidt<", ">" + strings.Repeat("x", 71) + "<"},
	{"a name with an umlaut", ">Anna Mueller", ">Anna Müller"},
	{"a text of 141", ">Commission November 2026<", ">" + strings.Repeat("x", 141) + "<"},
	{"an IBAN with spaces", ">DE89370400440532013000<", ">DE89 3704 0044 0532 0130 00<"},
	{"an IBAN without check digits", ">DE89370400440532013000<", ">DEXX370400440532013000<"},
	{"an IBAN of 35", ">DE89370400440532013000<", ">DE89" + strings.Repeat("1", 31) + "<"},
	{"a BIC of nine", ">COBADEFFXXX<", ">COBADEFFX<"},
	{"a BIC with digits for the country", ">COBADEFFXXX<", ">COBA12FFXXX<"},
	{"a cheque", ">TRF<", ">CHK<"},
	{"no SEPA", ">SEPA<", ">URGP<"},
	{"other charges", ">SLEV<", ">OUR<"},
}

func TestTheSchemaRefusesWrongFiles(t *testing.T) {
	tag := regexp.MustCompile(`^ *<(\w+)[^>]*>([^<]+)</\w+>$`)
	for _, m := range []Message{message(), older(message())} {
		v := m.Version
		if v == "" {
			v = Pain00100109
		}
		right := string(file(t, m, two()))
		var names []string
		var wrong [][]byte
		add := func(name, text string) { names, wrong = append(names, name), append(wrong, []byte(text)) }
		for _, c := range changes {
			if strings.Contains(right, c.from) {
				add(c.what, strings.Replace(right, c.from, c.to, 1))
			}
		}
		if len(names) != len(changes)-2 {
			t.Fatalf("%s: %d changes fit, want %d: the example has changed", v, len(names), len(changes)-2)
		}
		// Every element with a text: missing, twice, empty, and behind its neighbour.
		lines := strings.Split(right, "\n")
		for i, line := range lines {
			found := tag.FindStringSubmatch(line)
			if found == nil {
				continue
			}
			without := func(lines ...string) string { return strings.Join(lines, "\n") }
			if found[1] != "ChrgBr" { // which need not be there
				add("no "+line, without(slices.Delete(slices.Clone(lines), i, i+1)...))
			}
			add("twice "+line, without(slices.Insert(slices.Clone(lines), i, line)...))
			add("empty "+line, strings.Replace(right, line, strings.Replace(line, ">"+found[2]+"<", "><", 1), 1))
			if tag.MatchString(lines[i+1]) {
				swapped := slices.Clone(lines)
				swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
				add("swapped "+line, without(swapped...))
			}
		}
		found := valid(t, v, wrong...)
		for i, name := range names {
			if found[i] == "" {
				t.Errorf("%s: accepted: %s", v, name)
			}
		}
		if len(names) < 100 {
			t.Errorf("%s: only %d wrong files: are the elements still one to a line?", v, len(names))
		}
	}
}

// received is the message as a bank reads it, apart from how we write it.
type received struct {
	XMLName xml.Name
	Count   int    `xml:"CstmrCdtTrfInitn>GrpHdr>NbOfTxs"`
	Sum     string `xml:"CstmrCdtTrfInitn>GrpHdr>CtrlSum"`
	Blocks  []struct {
		Count     int    `xml:"NbOfTxs"`
		Sum       string `xml:"CtrlSum"`
		Transfers []struct {
			ID     string `xml:"PmtId>EndToEndId"`
			Amount struct {
				Currency string `xml:"Ccy,attr"`
				Decimal  string `xml:",chardata"`
			} `xml:"Amt>InstdAmt"`
			Name string `xml:"Cdtr>Nm"`
			IBAN string `xml:"CdtrAcct>Id>IBAN"`
			Text string `xml:"RmtInf>Ustrd"`
		} `xml:"CdtTrfTxInf"`
	} `xml:"CstmrCdtTrfInitn>PmtInf"`
}

func TestWhatTheBankReads(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := transfers(rt, sepaAmountMax)
		m := message()
		m.Version = rapid.SampledFrom([]Version{Pain00100109, Pain00100103}).Draw(rt, "version")
		var out bytes.Buffer
		if err := WriteSEPA(&out, m, list); err != nil {
			rt.Fatal(err)
		}
		var got received
		if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
			rt.Fatal(err)
		}
		if got.XMLName.Space != "urn:iso:std:iso:20022:tech:xsd:"+string(m.Version) || len(got.Blocks) != 1 {
			rt.Fatalf("%s with %d blocks", got.XMLName.Space, len(got.Blocks))
		}
		block := got.Blocks[0]
		sum := eur(0)
		for i, want := range list {
			sum = sum.Add(want.Amount)
			if i >= len(block.Transfers) {
				break
			}
			tx := block.Transfers[i]
			if tx.ID != want.ID || tx.Amount.Decimal != want.Amount.Decimal() || tx.Amount.Currency != "EUR" || tx.IBAN != want.IBAN ||
				tx.Name != latin(want.Name) || tx.Text != latin(want.Text) {
				rt.Fatalf("transfer %d: %+v, want %+v", i, tx, want)
			}
		}
		if got.Count != len(list) || block.Count != len(list) || len(block.Transfers) != len(list) {
			rt.Fatalf("counts %d and %d with %d transfers, want %d", got.Count, block.Count, len(block.Transfers), len(list))
		}
		if got.Sum != sum.Decimal() || block.Sum != sum.Decimal() {
			rt.Fatalf("sums %s and %s, want %s", got.Sum, block.Sum, sum.Decimal())
		}
		var again bytes.Buffer
		if err := WriteSEPA(&again, m, list); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
			rt.Fatalf("the same transfers make other bytes (%v)", err)
		}
	})
}

// Whatever names and texts are, the file keeps to the schema. The files are gathered,
// for a process each would take most of the time.
func TestWhateverIsWrittenKeepsToTheSchema(t *testing.T) {
	for _, v := range []Version{Pain00100109, Pain00100103} {
		m := message()
		m.Version = v
		var files [][]byte
		rapid.Check(t, func(rt *rapid.T) {
			var out bytes.Buffer
			if err := WriteSEPA(&out, m, transfers(rt, sepaAmountMax)); err != nil {
				rt.Fatal(err)
			}
			files = append(files, out.Bytes())
		})
		for i, said := range valid(t, v, files...) {
			t.Errorf("%s: %s\n%s", v, said, files[i])
		}
	}
}
