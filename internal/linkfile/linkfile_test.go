package linkfile_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/linkfile"
)

// read describes a file in short: a line for each record, then how it ended.
func read(t *testing.T, format linkfile.Format, text string, o linkfile.Options) []string {
	t.Helper()
	r, err := linkfile.NewReader(format, strings.NewReader(text), o)
	if err != nil {
		return []string{"refused: " + err.Error()}
	}
	var got []string
	for {
		line, raw, link, err := r.Next()
		switch {
		case err == io.EOF:
			return got
		case affiliate.CodeOf(err) == affiliate.Invalid:
			if raw == "" {
				t.Errorf("line %d: a bad line came without its text", line)
			}
			got = append(got, fmt.Sprintf("%d bad: %s", line, err))
		case err != nil:
			return append(got, "aborted: "+err.Error())
		default:
			got = append(got, fmt.Sprintf("%d %s", line, brief(link)))
		}
	}
}

func brief(l affiliate.Link) string {
	s := l.Site + "/" + l.Slug
	for _, d := range l.Destinations {
		s += fmt.Sprintf(" %d*%s", d.Weight, d.URL)
	}
	return s
}

func TestCSV(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"plain", "slug,url\na,https://a.example\nb,https://b.example\n", []string{"2 s/a 0*https://a.example", "3 s/b 0*https://b.example"}},
		{"no last line end", "slug,url\na,https://a.example", []string{"2 s/a 0*https://a.example"}},
		{"CRLF and byte order mark", "\ufeffslug,url\r\na,https://a.example\r\n", []string{"2 s/a 0*https://a.example"}},
		{"semicolons", "slug;url;tags\r\na;https://a.example;\"x;y\"\r\n", []string{"2 s/a 0*https://a.example"}},
		{"tabs", "slug\turl\na\thttps://a.example\n", []string{"2 s/a 0*https://a.example"}},
		{"Excel's sep line", "sep=;\r\nslug;url\r\na;https://a.example\r\n", []string{"3 s/a 0*https://a.example"}},
		{"quoted header", "\"slug\";\"url\"\na;https://a.example\n", []string{"2 s/a 0*https://a.example"}},
		{"other order and case", "URL, Slug\nhttps://a.example, a\n", []string{"2 s/a 0*https://a.example"}},
		{"blank lines and empty rows", "slug,url\n\n,\r\na,https://a.example\n\n", []string{"4 s/a 0*https://a.example"}},
		{"quoted line break and comma", "slug,url,note\na,https://a.example,\"one\ntwo, \"\"three\"\"\"\nb,https://b.example,\n",
			[]string{"2 s/a 0*https://a.example", "4 s/b 0*https://b.example"}},
		{"own site", "slug,url,site\na,https://a.example,blog\nb,https://b.example,\n", []string{"2 blog/a 0*https://a.example", "3 s/b 0*https://b.example"}},
		{"numbered variants", "slug,url,weight,url2,weight2,url3,weight3\na,https://a.example,70,https://b.example,30,,\n",
			[]string{"2 s/a 70*https://a.example 30*https://b.example"}},
		{"variants without weights share evenly", "slug,url,url2\na,https://a.example,https://b.example\n",
			[]string{"2 s/a 1*https://a.example 1*https://b.example"}},
		{"variants column", "slug,url,weight,variants\na,https://a.example,70,blue 30 https://b.example | 5 https://c.example\n",
			[]string{"2 s/a 70*https://a.example 30*https://b.example 5*https://c.example"}},
		{"too few and too many", "slug,url\na\nb,https://b.example,x\nc,https://c.example\n", []string{
			`2 bad: the line has 1 columns and the header 2; quote cells that contain ','`,
			`3 bad: the line has 3 columns and the header 2; quote cells that contain ','`,
			"4 s/c 0*https://c.example"}},
		{"every bad cell is named", "slug,url,code,starts_at,query\na,https://a.example,x,soon,pass\n", []string{
			`2 bad: code: "x" is not a whole number; starts_at: "soon" is not a time; write 2026-11-20, 2026-11-20 13:00 (UTC) or 2026-11-20T13:00:00+01:00`}},
		{"text after a quote", "slug,url\n\"a\"b,https://a.example\nb,https://b.example\n", []string{
			`2 bad: column 1: there is "b" after the closing quote; write a quote inside a cell twice`, "3 s/b 0*https://b.example"}},
		{"Latin-1", "slug,url,note\na,https://a.example,caf\xe9\n", []string{
			`2 bad: the line is not UTF-8 text; save the file as UTF-8, which Excel calls "CSV UTF-8"`}},
		{"long line", "slug,url\na,https://a.example/" + strings.Repeat("x", linkfile.LineBytesMax) + "\nb,https://b.example\n", []string{
			"2 bad: the line is longer than 1048576 bytes", "3 s/b 0*https://b.example"}},
		{"cut in a quote", "slug,url,note\na,https://a.example,ok\nb,https://b.example,\"cut", []string{"2 s/a 0*https://a.example",
			"aborted: the file ends in the middle of line 3: a quote that opens there is never closed; fetch or export it again: the file is cut off"}},
		{"cut before the last column", "slug,url,note\na,https://a.example,ok\nb,https://b.ex", []string{"2 s/a 0*https://a.example",
			"aborted: the file ends in the middle of line 3: it has 2 of 3 columns; fetch or export it again: the file is cut off"}},
		{"quote that swallows the rest", "slug,url\n\"a,https://a.example\nb,https://b.example\n", []string{
			"aborted: the file ends in the middle of line 2: a quote that opens there is never closed; fetch or export it again: the file is cut off"}},
		{"empty", "", []string{"refused: the file is empty; a CSV file starts with a header that names at least slug and url"}},
		{"UTF-16", "\xff\xfes\x00l\x00", []string{`refused: the file is UTF-16; save it as UTF-8, which Excel calls "CSV UTF-8"`}},
		{"unknown columns", "slug,link,clicks,slug\na,b,c,d\n", []string{
			`refused: the header on the first line does not name the columns of links: unknown: "link", "clicks"; there twice: "slug"; missing: url; ` +
				"known columns: slug, url, site, status, code, program, partner, tags, page, note, starts_at, ends_at, cap, fallback, query, weight, variant, variants, rules, deep_link, sub_id, block_bots, url2, weight2, url3, …"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, read(t, linkfile.CSV, c.text, linkfile.Options{Site: "s"})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCSVReadsWhatThirstyAffiliatesWrites(t *testing.T) {
	text := "Link Name,Destination URL,Slug,Categories(;),Images(;),Geolocation links(CC:url;),Autolinker keywords(;)\n" +
		"Best Kettle,https://shop.example/k?a=1;b=2,best-kettle,Kitchen;Tea,https://img.example/1.png,\"DE:https://shop.example/de;US,CA:https://shop.example/us?a=1;b=2\",kettle;tea\n"
	r, err := linkfile.NewReader(linkfile.CSV, strings.NewReader(text), linkfile.Options{Site: "s"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, got, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	want := affiliate.Link{Site: "s", Slug: "best-kettle", Note: "Best Kettle", Tags: []string{"Kitchen", "Tea"},
		Destinations: []affiliate.Destination{{URL: "https://shop.example/k?a=1;b=2"}},
		Rules: []affiliate.Rule{
			{When: []affiliate.Condition{{On: "country", In: []string{"DE"}}}, Destinations: []affiliate.Destination{{URL: "https://shop.example/de", Weight: 1}}},
			{When: []affiliate.Condition{{On: "country", In: []string{"US", "CA"}}}, Destinations: []affiliate.Destination{{URL: "https://shop.example/us?a=1;b=2", Weight: 1}}},
		}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(r.Notes()) != 2 {
		t.Errorf("notes %q; want one each for images and keywords", r.Notes())
	}
}

func TestJSONL(t *testing.T) {
	good := `{"slug":"a","destinations":[{"url":"https://a.example","weight":1}]}`
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"plain", good + "\n\n" + good, []string{"1 s/a 1*https://a.example", "3 s/a 1*https://a.example"}},
		{"own site", `{"slug":"a","site":"blog","destinations":[{"url":"https://a.example"}]}`, []string{"1 blog/a 0*https://a.example"}},
		{"unknown field", `{"slug":"a","target":"https://a.example"}` + "\n" + good + "\n", []string{
			`1 bad: the JSON is not a link document: unknown field "target"`, "2 s/a 1*https://a.example"}},
		{"wrong kind", `{"slug":"a","destinations":"https://a.example"}` + "\n", []string{
			"1 bad: destinations: a JSON string does not belong here; it should be a list"}},
		{"not an object", "[]\n", []string{`1 bad: the line is not a JSON object; each line holds one link document such as {"slug":"x","destinations":[{"url":"https://…"}]}`}},
		{"two documents", good + good + "\n", []string{"1 bad: there is more than one JSON document on the line"}},
		{"broken in the middle", good[:20] + "\n" + good + "\n", []string{
			"1 bad: the JSON document is incomplete; each line holds one whole link document", "2 s/a 1*https://a.example"}},
		{"cut", good + "\n" + good[:20], []string{"1 s/a 1*https://a.example",
			"aborted: the file ends in the middle of line 2: its document is incomplete; fetch or export it again: the file is cut off"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, read(t, linkfile.JSONL, c.text, linkfile.Options{Site: "s"})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNginx(t *testing.T) {
	inMap := func(body string) string { return "map $uri $to {\n" + body + "\n}\n" }
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"plain", inMap("/go/a https://a.example;"), []string{"2 s/a 1*https://a.example"}},
		{"comments and quotes", "# map $uri $x { /go/no https://no.example; }\n" + inMap("# /go/no https://no.example;\n\"/go/a\" 'https://a.example/#x';# tail\n/go/b # why\n \"https://b.example/\\\"\";"),
			[]string{"4 s/a 1*https://a.example/#x", "5 s/b 1*https://b.example/\""}},
		{"one line", "http{map $uri $to{/go/a https://a.example;/go/b https://b.example;}}", []string{"1 s/a 1*https://a.example", "1 s/b 1*https://b.example"}},
		{"two maps among other blocks", "log_format x '{ \"a\": $uri }';\n" + inMap("/go/a https://a.example;") + "server { location / { return 200 \"it's; {\"; } }\n" + inMap("volatile;\nhostnames;\n/go/b https://b.example;"),
			[]string{"3 s/a 1*https://a.example", "9 s/b 1*https://b.example"}},
		{"maps of other things", "map $http_upgrade $c { default upgrade; '' close; }\nmap $host $backend { a.example http://10.0.0.1; }\n" + inMap("/go/a https://a.example;"),
			[]string{"4 s/a 1*https://a.example"}},
		{"captured name", "map $1 $to { a https://a.example; \\default https://d.example; }", []string{"1 s/a 1*https://a.example", "1 s/default 1*https://d.example"}},
		{"encoded in request_uri", "map $request_uri $to { /go/caf%C3%A9 https://a.example; /go/b?x=1 https://b.example; }", []string{"1 s/café 1*https://a.example",
			`1 bad: the key "/go/b?x=1" has a query; a link is found by its path alone`}},
		{"regular expression and include", inMap("~^/go/(.*)$ https://a.example;\ninclude more.map;\n/go/a https://a.example;"), []string{
			`2 bad: the key "~^/go/(.*)$" is a regular expression; write one entry for each name`,
			`3 bad: include is not followed; import the included file itself`, "4 s/a 1*https://a.example"}},
		{"variables", inMap("/go/a https://a.example/$arg_x/y;\n/go/b https://a.example/${arg_x}y;\ndefault $scheme://a.example;"), []string{
			"2 bad: the value uses the nginx variable $arg_x, which has no meaning here; use a macro such as {query.NAME} if it is what you want",
			"3 bad: the value uses the nginx variable ${arg_x}y, which has no meaning here; use a macro such as {query.NAME} if it is what you want",
			"4 bad: the value uses the nginx variable $scheme, which has no meaning here; use a macro such as {query.NAME} if it is what you want"}},
		{"other prefix", inMap("/out/a https://a.example;\n/go/ https://b.example;"), []string{
			`2 bad: the key "/out/a" does not begin with the site's prefix /go/`, `3 bad: the key "/go/" names no link`}},
		{"missing semicolon", inMap("/go/a https://a.example\n/go/b https://b.example;\n/go/c https://c.example;\n/go/d https://d.example"), []string{
			"2 bad: the entry has 4 words where a key and a URL are expected; is a ; missing?", "4 s/c 1*https://c.example", "5 bad: the entry does not end with a ;"}},
		{"bare brace", inMap("/go/a https://a.example/{click_id};\n/go/b \"https://b.example/{click_id}\";"), []string{
			"2 bad: a { must stand in quotes", "3 s/b 1*https://b.example/{click_id}"}},
		{"text after a quote", inMap("\"/go/a\"x https://a.example;\n/go/b https://b.example;"), []string{
			"2 bad: there is 'x' directly after a closing quote", "3 s/b 1*https://b.example"}},
		{"cut in an entry", "map $uri $to {\n/go/a https://a.example;\n/go/b https://b.ex", []string{"2 s/a 1*https://a.example",
			"aborted: the file ends in the middle of line 3: the entry there has no closing ; and the map of line 1 no closing }; fetch or export it again: the file is cut off"}},
		{"cut between entries", "map $uri $to {\n/go/a https://a.example;\n", []string{"2 s/a 1*https://a.example",
			"aborted: the file ends in the middle of line 1: the map that begins there has no closing }; fetch or export it again: the file is cut off"}},
		{"no map", "server { }\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, read(t, linkfile.Nginx, c.text, linkfile.Options{Site: "s"})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The map that many affiliates begin with, with its server block, recognised by
// its content.
func TestNginxFromTheWild(t *testing.T) {
	text, err := os.ReadFile("testdata/techresolve.conf")
	if err != nil {
		t.Fatal(err)
	}
	for name, whole := range map[string]string{"configuration": string(text), "inside an article": "It's \"easy\": use a map {really};\n\n" + string(text) + "\nexport default { async fetch() { return 1; } };\n"} {
		t.Run(name, func(t *testing.T) {
			r, err := linkfile.NewReader(linkfile.Auto, strings.NewReader(whole), linkfile.Options{Site: "s"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for {
				_, _, link, err := r.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, brief(link))
			}
			want := []string{"s/summer-deal 1*https://store.com/p/123?ref=aff_01", "s/tech-resolve 1*https://store.com/p/456?ref=darian_v"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if d := r.Defaults(); len(d) != 1 || d[0].URL != "https://store.com/" {
				t.Errorf("defaults %v", d)
			}
		})
	}
}

func TestCompressedFiles(t *testing.T) {
	var whole bytes.Buffer
	z := gzip.NewWriter(&whole)
	_, _ = io.WriteString(z, "slug,url\n")
	for i := range 5000 {
		_, _ = fmt.Fprintf(z, "a%d,https://a.example/%d\n", i, i*7919)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	got := read(t, linkfile.Auto, whole.String(), linkfile.Options{Site: "s"})
	if len(got) != 5000 || got[4999] != "5001 s/a4999 0*https://a.example/39587081" {
		t.Errorf("%d records, the last %q", len(got), got[len(got)-1])
	}
	got = read(t, linkfile.Auto, whole.String()[:whole.Len()/2], linkfile.Options{Site: "s"})
	if last := got[len(got)-1]; !strings.HasPrefix(last, "aborted: the file ends in the middle of line ") || !strings.Contains(last, "the compressed data is incomplete") {
		t.Errorf("a cut file ends with %q", last)
	}
	r, err := linkfile.NewReader(linkfile.Auto, strings.NewReader(whole.String()), linkfile.Options{BytesMax: 100})
	for err == nil {
		_, _, _, err = r.Next()
	}
	if affiliate.CodeOf(err) != affiliate.TooLarge {
		t.Errorf("over the limit: %v", err)
	}
}

func TestTruncationCanBeTold(t *testing.T) {
	r, err := linkfile.NewReader(linkfile.JSONL, strings.NewReader(`{"slug":`), linkfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := r.Next(); !errors.Is(err, linkfile.ErrTruncated) || affiliate.CodeOf(err) != "" {
		t.Errorf("%v", err)
	}
}

// Bad lines with the reader's frame around them are a file again.
func TestFrame(t *testing.T) {
	for _, c := range []struct {
		format    linkfile.Format
		text, bad string
	}{
		{linkfile.CSV, "slug;url\r\na;x;y\r\n", "a;x;y"},
		{linkfile.JSONL, "{\"slug\":1}\n", `{"slug":1}`},
		{linkfile.Nginx, "map $uri $x {\n  /go/a  $b;\n}\n", "/go/a  $b;"},
	} {
		r, err := linkfile.NewReader(c.format, strings.NewReader(c.text), linkfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, raw, _, err := r.Next()
		if affiliate.CodeOf(err) != affiliate.Invalid || raw != c.bad {
			t.Fatalf("%s: raw %q, error %v", c.format, raw, err)
		}
		head, tail := r.Frame()
		again := read(t, c.format, head+"\n"+raw+"\n"+tail, linkfile.Options{})
		if len(again) != 1 || !strings.Contains(again[0], "bad") {
			t.Errorf("%s: the framed line reads %q", c.format, again)
		}
	}
}

func TestWritersRefuseWhatTheyCannotExpress(t *testing.T) {
	link := func(change func(l *affiliate.Link)) *affiliate.Link {
		l := &affiliate.Link{Slug: "a", Destinations: []affiliate.Destination{{URL: "https://a.example", Weight: 1}}}
		change(l)
		return l
	}
	now := time.Now()
	for name, l := range map[string]*affiliate.Link{
		"variants":  link(func(l *affiliate.Link) { l.Destinations = append(l.Destinations, l.Destinations[0]) }),
		"rules":     link(func(l *affiliate.Link) { l.Rules = []affiliate.Rule{{}} }),
		"paused":    link(func(l *affiliate.Link) { l.Status = affiliate.Paused }),
		"schedule":  link(func(l *affiliate.Link) { l.EndsAt = &now }),
		"code":      link(func(l *affiliate.Link) { l.Code = 301 }),
		"query":     link(func(l *affiliate.Link) { l.Query.Mode = affiliate.QueryPass }),
		"deep link": link(func(l *affiliate.Link) { l.DeepLink = true }),
		"bots":      link(func(l *affiliate.Link) { l.BlockBots = true }),
		"macro":     link(func(l *affiliate.Link) { l.Destinations[0].URL += "/{link}" }),
		"variable":  link(func(l *affiliate.Link) { l.Destinations[0].URL += "/$x" }),
		"newline":   link(func(l *affiliate.Link) { l.Slug = "a\nb" }),
		"no URL":    link(func(l *affiliate.Link) { l.Destinations = nil }),
	} {
		var b bytes.Buffer
		w, err := linkfile.NewWriter(linkfile.Nginx, &b, linkfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(l); affiliate.CodeOf(err) != affiliate.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "a.example") {
			t.Errorf("%s: written all the same: %s", name, b.String())
		}
	}
}

// A link cannot break out of the nginx quotes, whatever it is made of.
func TestNginxQuoting(t *testing.T) {
	evil := `a"; } server { listen 81; } map $uri $x { "/go/b\`
	var b bytes.Buffer
	w, err := linkfile.NewWriter(linkfile.Nginx, &b, linkfile.Options{Default: `https://d.example/";}`})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(&affiliate.Link{Slug: strings.ReplaceAll(evil, "$", ""), Destinations: []affiliate.Destination{{URL: `https://a.example/\";'#`}}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := read(t, linkfile.Nginx, b.String(), linkfile.Options{Site: "s"})
	want := []string{"4 s/" + strings.ReplaceAll(evil, "$", "") + ` 1*https://a.example/\";'#`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", diff, b.String())
	}
}

func TestWhatIsWrittenReadsTheSame(t *testing.T) {
	for _, format := range linkfile.Formats() {
		t.Run(format, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				links := rapid.SliceOfN(rapid.Custom(drawLink), 1, 5).Draw(t, "links")
				var b bytes.Buffer
				w, err := linkfile.NewWriter(linkfile.Format(format), &b, linkfile.Options{})
				if err != nil {
					t.Fatal(err)
				}
				var want []affiliate.Link
				for _, l := range links {
					if format == "nginx" {
						l = affiliate.Link{Slug: l.Slug, Destinations: l.Destinations[:1]}
						l.Destinations[0] = affiliate.Destination{URL: l.Destinations[0].URL, Weight: 1}
					}
					switch err := w.Write(&l); {
					case err == nil:
						want = append(want, l)
					case affiliate.CodeOf(err) != affiliate.Invalid:
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				r, err := linkfile.NewReader(linkfile.Format(format), bytes.NewReader(b.Bytes()), linkfile.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range want {
					_, _, got, err := r.Next()
					if err != nil {
						t.Fatalf("%v\n%s", err, b.String())
					}
					if diff := cmp.Diff(l, got, cmpopts.EquateEmpty()); diff != "" {
						t.Fatalf("%s\n%s", diff, b.String())
					}
				}
				if _, _, _, err := r.Next(); err != io.EOF {
					t.Fatalf("after the last link: %v", err)
				}
			})
		})
	}
}

func drawLink(t *rapid.T) affiliate.Link {
	word := rapid.StringMatching(`[a-z0-9][a-z0-9é"\\;,{}$ ~#-]{0,12}[a-z0-9]`)
	url := rapid.StringMatching(`https://[a-z]{1,8}\.example/[a-z0-9?&=%;,{}'"\\$#-]{0,20}`)
	note := rapid.StringOf(rapid.RuneFrom([]rune("ab \t\r\n,;\"\\|=é")))
	l := affiliate.Link{
		Slug: word.Draw(t, "slug"), Status: rapid.SampledFrom([]affiliate.Status{"", affiliate.Active, affiliate.Paused}).Draw(t, "status"),
		Site: rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "site"), Code: rapid.SampledFrom([]int{0, 302, 301}).Draw(t, "code"),
		Tags: rapid.SliceOfN(word, 0, 3).Draw(t, "tags"), Note: note.Draw(t, "note"), Page: word.Draw(t, "page"),
		Query: affiliate.QueryPolicy{Mode: rapid.SampledFrom([]affiliate.QueryMode{"", affiliate.QueryPass}).Draw(t, "mode")},
	}
	for range rapid.IntRange(1, 3).Draw(t, "destinations") {
		l.Destinations = append(l.Destinations, affiliate.Destination{
			ID: rapid.SampledFrom([]string{"a", "17"}).Draw(t, "id"), URL: url.Draw(t, "url"), Weight: rapid.IntRange(1, 99).Draw(t, "weight")})
	}
	if rapid.Bool().Draw(t, "more") {
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0).UTC()
		l.EndsAt = &at
		l.Cap = &affiliate.ClickCap{Clicks: 1000, Per: affiliate.CapPerDay, Zone: "Europe/Berlin"}
		l.Query = affiliate.QueryPolicy{Mode: affiliate.QueryOnly, Names: []string{"utm_source", "x.y"}}
		l.SubID = rapid.SampledFrom([]*affiliate.SubID{{Off: true}, {Param: "off"}, {Param: "sid", Value: "{link}=x"}, {Value: "v"}}).Draw(t, "sub")
		l.Rules = []affiliate.Rule{{ID: "r", When: []affiliate.Condition{{On: "query", Name: "q", In: []string{note.Draw(t, "value")}}}, Destinations: l.Destinations}}
		l.DeepLink, l.BlockBots = true, true
	}
	return l
}

func FuzzCSV(f *testing.F) {
	f.Add("slug,url\na,\"https://a.example\"\n")
	f.Add("sep=;\nslug;url;rules\na;b;\"[{\"\"id\"\":1}]\"\n")
	f.Add("slug,url2,variants,url\n\"a\nb\",c,x 1 d | 2 e,f")
	fuzz(f, linkfile.CSV)
}

func FuzzJSONL(f *testing.F) {
	f.Add("{\"slug\":\"a\",\"destinations\":[{\"url\":\"x\"}]}\n{\"slug\"")
	fuzz(f, linkfile.JSONL)
}

func FuzzNginx(f *testing.F) {
	f.Add("map $uri $x { /go/a \"b\\\"\"; default c; # d\n}")
	f.Add("map $uri $x {\n'a' ${b}; ~c d; \\e f {")
	fuzz(f, linkfile.Nginx)
}

// fuzz checks that reading ends, that lines only grow, and that what could be
// read can be written and read again.
func fuzz(f *testing.F, format linkfile.Format) {
	f.Fuzz(func(t *testing.T, text string) {
		r, err := linkfile.NewReader(format, strings.NewReader(text), linkfile.Options{Site: "s"})
		if err != nil {
			return
		}
		last := int64(0)
		for range len(text) + 2 {
			line, _, link, err := r.Next()
			if line < last {
				t.Fatalf("line %d after line %d", line, last)
			}
			last = line
			if err != nil && affiliate.CodeOf(err) != affiliate.Invalid {
				return
			}
			if err == nil {
				again(t, format, link)
			}
		}
		t.Fatalf("reading %d bytes does not end", len(text))
	})
}

func again(t *testing.T, format linkfile.Format, link affiliate.Link) {
	var b bytes.Buffer
	w, err := linkfile.NewWriter(format, &b, linkfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w.Write(&link) != nil {
		return
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := linkfile.NewReader(format, &b, linkfile.Options{Site: "s"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, got, err := r.Next()
	if err != nil {
		t.Fatalf("%+v: %v", link, err)
	}
	for i := range link.Destinations { // a health state, and the name of an only destination, are not in every format
		link.Destinations[i].Down, got.Destinations[i].Down = false, false
	}
	if brief(link) != brief(got) {
		t.Fatalf("wrote %s, read %s", brief(link), brief(got))
	}
}

// Sketch: a line of 60 bytes needs one copy, one scan for the separator and a
// handful of allocations; a million lines a second is what memory allows.
func BenchmarkCSV(b *testing.B) {
	var file bytes.Buffer
	file.WriteString("slug,url,tags\n")
	const lines = 100_000
	for i := range lines {
		fmt.Fprintf(&file, "deal-%d,https://shop.example/p/%d?ref=abc,one;two\n", i, i)
	}
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		r, err := linkfile.NewReader(linkfile.CSV, bytes.NewReader(file.Bytes()), linkfile.Options{Site: "s"})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for {
			if _, _, _, err := r.Next(); err != nil {
				break
			}
			n++
		}
		if n != lines {
			b.Fatalf("%d lines", n)
		}
	}
	b.ReportMetric(lines*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
