package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
)

func TestALinksLife(t *testing.T) {
	data := served(t)
	got := sluice(t, data, "link", "add", "Kettle", "https://a.example/k", "https://b.example/k", "--weight", "70,30", "--tag", "Kitchen,tea", "--note", "mine").must(t, exitFine)
	contains(t, got.out, "added #1 ", "/go/kettle")

	var link api.Link
	sluice(t, data, "link", "show", "kettle", "--format", "json").must(t, exitFine).json(t, &link)
	if len(link.Destinations) != 2 || link.Destinations[0].Weight != 70 || strings.Join(link.Tags, " ") != "kitchen tea" {
		t.Errorf("%+v", link)
	}
	contains(t, sluice(t, data, "link", "show", "#1").must(t, exitFine).out, "a 70 %  https://a.example/k", "mine")

	sluice(t, data, "link", "update", "kettle", "--url", "https://c.example/k", "--note", "", "--status", "paused", "--fallback", "https://blog.example", "--ends", "2030-01-02").must(t, exitFine)
	link = api.Link{}
	sluice(t, data, "link", "show", "kettle", "--format", "json").must(t, exitFine).json(t, &link)
	if len(link.Destinations) != 1 || link.Note != "" || link.Status != affiliate.Paused || link.EndsAt == nil || len(link.Tags) != 2 {
		t.Errorf("%+v", link)
	}
	contains(t, sluice(t, data, "link", "show", "kettle", "--changes").must(t, exitFine).out, "create", "update")

	var list api.LinkList
	sluice(t, data, "link", "list", "--format", "json", "--status", "paused").must(t, exitFine).json(t, &list)
	if len(list.Items) != 1 || list.Total != 1 {
		t.Errorf("%+v", list)
	}
	contains(t, sluice(t, data, "link", "list", "--format", "csv").must(t, exitFine).out, "id,site,slug,status,url", "1,main,kettle,paused,https://c.example/k")

	sluice(t, data, "link", "rm", "kettle").must(t, exitFine)
	contains(t, sluice(t, data, "link", "show", "kettle").must(t, exitProblems).err, "kettle")
}

func TestACapOfClicks(t *testing.T) {
	data := served(t)
	sluice(t, data, "link", "add", "kettle", "https://a.example/k", "--cap", "1000/day@Europe/Berlin").must(t, exitFine)
	contains(t, sluice(t, data, "link", "show", "kettle").must(t, exitFine).out, "cap          1000/day@Europe/Berlin, 0 so far")
	// Another cap replaces the zone too; a paused link keeps it.
	sluice(t, data, "link", "update", "kettle", "--cap", "5/Total").must(t, exitFine)
	sluice(t, data, "link", "update", "kettle", "--status", "paused").must(t, exitFine)
	var list api.LinkList
	sluice(t, data, "link", "list", "--format", "json").must(t, exitFine).json(t, &list)
	if c := list.Items[0].Cap; c == nil || *c != (affiliate.ClickCap{Clicks: 5, Per: affiliate.CapTotal}) {
		t.Errorf("the cap is %v", c)
	}
	contains(t, sluice(t, data, "link", "update", "kettle", "--cap", "5/week").must(t, exitProblems).err, "write CLICKS/PERIOD")
	contains(t, sluice(t, data, "link", "update", "kettle", "--cap", "0/day").must(t, exitProblems).err, "cap.clicks")
	sluice(t, data, "link", "update", "kettle", "--cap", "none").must(t, exitFine)
	var link api.Link
	sluice(t, data, "link", "show", "kettle", "--format", "json").must(t, exitFine).json(t, &link)
	if link.Cap != nil {
		t.Errorf("the cap is %v", link.Cap)
	}
}

func TestBadLinksAreRefusedWithTheReason(t *testing.T) {
	data := served(t)
	sluice(t, data, "link", "add", "taken", "https://a.example").must(t, exitFine)
	for want, args := range map[string][]string{
		`the scheme "javascript" is not allowed`: {"x", "javascript:alert(1)"},
		"is taken":                               {"taken", "https://b.example"},
		"the weights sum to zero":                {"x", "https://a.example", "https://b.example", "--weight", "0,0"},
		"unknown macro {frob}":                   {"x", "https://a.example/?x={frob}"},
		"there is no program":                    {"x", "https://a.example", "--program", "nobody"},
	} {
		got := sluice(t, data, append([]string{"link", "add"}, args...)...).must(t, exitProblems)
		contains(t, got.err, want)
	}
	doc := write(t, "l.json", `{"slug":"x","destinations":[{"url":"https://a.example"}],"targets":1}`)
	contains(t, sluice(t, data, "link", "add", "--document", doc).must(t, exitProblems).err, `unknown field "targets"`)
}

func TestLinkDocument(t *testing.T) {
	data := served(t)
	doc := `{"slug":"k","destinations":[{"url":"https://a.example"}],"rules":[{"when":[{"on":"country","in":["DE"]}],"destinations":[{"url":"https://de.example"}]}]}`
	sluiceWith(t, data, nil, doc, "link", "add", "--document", "-", "--note", "from a document").must(t, exitFine)
	contains(t, sluice(t, data, "link", "show", "k").must(t, exitFine).out, "country is DE", "https://de.example", "from a document")
}

const badFile = "slug,url,note\na,https://a.example,1\nb,not a url,2\nc,https://c.example,3\na,https://again.example,4\n"

func TestOneBadLineChangesNothing(t *testing.T) {
	data, file := served(t), write(t, "links.csv", badFile)
	got := sluice(t, data, "link", "import", file).must(t, exitProblems)
	contains(t, got.out, "line 3: ", "line 5: ", "nothing was changed: 2 bad lines of 4", "--skip-bad")
	if total := linkCount(t, data); total != 0 {
		t.Errorf("%d links are there", total)
	}
	if _, err := os.Stat(file + ".bad"); !os.IsNotExist(err) {
		t.Errorf("a file of bad lines was made: %v", err)
	}
}

func TestSkipBadImportsTheOthersAndKeepsTheBadLines(t *testing.T) {
	data, file := served(t), write(t, "links.csv", badFile)
	dry := sluice(t, data, "link", "import", file, "--skip-bad", "--dry-run").must(t, exitFine)
	contains(t, dry.out, "--dry-run", "2 links added")
	if total := linkCount(t, data); total != 0 {
		t.Fatalf("the rehearsal made %d links", total)
	}
	got := sluice(t, data, "link", "import", file, "--skip-bad").must(t, exitFine)
	contains(t, got.out, "2 links added", "2 bad lines written to "+file+".bad")
	text, err := os.ReadFile(file + ".bad")
	if err != nil || string(text) != "slug,url,note\nb,not a url,2\na,https://again.example,4\n" {
		t.Fatalf("%v %q", err, text)
	}
	// Corrected, the bad lines can be imported in turn.
	mended := write(t, "mended.csv", strings.NewReplacer("not a url", "https://b.example", "\na,", "\nd,").Replace(string(text)))
	sluice(t, data, "link", "import", mended).must(t, exitFine)
	if total := linkCount(t, data); total != 4 {
		t.Errorf("%d links", total)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 2 {
		t.Errorf("something was left behind: %v %v", entries, err)
	}
}

func linkCount(t *testing.T, data string) int64 {
	t.Helper()
	var list api.LinkList
	sluice(t, data, "link", "list", "--format", "json").must(t, exitFine).json(t, &list)
	return list.Total
}

func TestImportReadsEveryFormat(t *testing.T) {
	nginx, err := os.ReadFile("../../internal/linkfile/testdata/techresolve.conf")
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte("slug;url\r\nz;https://z.example\r\n"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	data := served(t)
	for name, c := range map[string]struct {
		text string
		want int64
	}{
		"links.jsonl":    {`{"slug":"j","destinations":[{"url":"https://j.example"}]}` + "\n", 1},
		"nginx.conf":     {string(nginx), 2},
		"links.csv.gz":   {zipped.String(), 1},
		"thirsty.csv":    {"Link Name,Destination URL,Slug,Categories(;)\nName,https://t.example,t,x;y\n", 1},
		"only-space.csv": {"slug,url\n\n\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var r api.ImportReport
			sluice(t, data, "link", "import", write(t, name, c.text), "--json").must(t, exitFine).json(t, &r)
			if r.Created != c.want || !r.Applied {
				t.Errorf("%+v", r)
			}
			got := sluiceWith(t, data, nil, c.text, "link", "import", "-", "--update").must(t, exitFine)
			contains(t, got.out, "0 links added, 0 changed")
		})
	}
}

func TestTruncatedFileChangesNothing(t *testing.T) {
	data := served(t)
	file := write(t, "cut.csv", "slug,url,note\na,https://a.example,x\nb,https://b.exa")
	got := sluice(t, data, "link", "import", file, "--skip-bad").must(t, exitProblems)
	contains(t, got.err, "the file ends in the middle of line 3")
	if total := linkCount(t, data); total != 0 {
		t.Errorf("%d links", total)
	}
}

func TestExportComesBack(t *testing.T) {
	from, to := served(t), served(t)
	sluice(t, from, "link", "add", "plain", "https://a.example/?q=1,2", "--note", "a \"note\",\nwith lines").must(t, exitFine)
	sluice(t, from, "link", "add", "shared", "https://a.example", "https://b.example", "--weight", "9,1").must(t, exitFine)
	file := filepath.Join(t.TempDir(), "all.csv")
	sluice(t, from, "link", "export", "--out", file).must(t, exitFine)
	sluice(t, to, "link", "import", file).must(t, exitFine)
	if a, b := describe(t, from), describe(t, to); a != b {
		t.Errorf("exported\n%s\nimported\n%s", a, b)
	}
	refused := sluice(t, from, "link", "export", "--format", "nginx").must(t, exitProblems)
	contains(t, refused.err, "shared", "2 destinations")
	skipped := sluice(t, from, "link", "export", "--format", "nginx", "--skip").must(t, exitFine)
	contains(t, skipped.out, `"/go/plain" "https://a.example/?q=1,2";`)
	contains(t, skipped.err, "1 link left out")
}

// describe is all links without what differs between two folders.
func describe(t *testing.T, data string) string {
	t.Helper()
	var list api.LinkList
	sluice(t, data, "link", "list", "--all", "--format", "json").must(t, exitFine).json(t, &list)
	for i := range list.Items {
		l := &list.Items[i]
		l.ID, l.Version, l.CreatedAt, l.UpdatedAt = 0, 0, l.CreatedAt.AddDate(-9999, 0, 0), l.CreatedAt.AddDate(-9999, 0, 0)
	}
	b, err := json.MarshalIndent(list.Items, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}
