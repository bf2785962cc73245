package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// LinkSource is a file of links in any format, read from front to back.
type LinkSource interface {
	// Next returns the next link with the number of the line where it starts,
	// counted from 1, and that line's text. An error with the code Invalid says
	// that this entry is bad, and reading goes on; io.EOF is the end; any other error
	// (a truncated file, a failing disk) ends the import without effect. One
	// goroutine at a time calls Next, and none after ImportLinks has returned; the link
	// is the import's to change.
	Next() (line int64, text string, link affiliate.Link, err error)
}

// ImportOptions say what an import does with what it finds.
type ImportOptions struct {
	// SkipBad imports the good lines of a file that has bad ones. Otherwise one
	// bad line means that nothing is changed.
	SkipBad bool
	// Update replaces links whose slug exists; otherwise they are bad lines.
	Update bool
	// Merge says what an update makes of the link that is there and the one that
	// was read, for formats that do not carry every field. Nil: the one read,
	// whole. The id and the site stay in any case.
	Merge func(there, read affiliate.Link) affiliate.Link
	// DryRun does everything except keeping it.
	DryRun bool
	// Progress is called about every ten thousand entries and at the end, with how
	// many have been read.
	Progress func(read int64)
	// OnBad is handed every bad line, in order; its error ends the import
	// without effect.
	OnBad func(BadLine) error
}

// BadLine is an entry that cannot be imported.
type BadLine struct {
	Line   int64  `json:"line"`
	Text   string `json:"text"`
	Reason string `json:"reason"`
}

// BadLinesMax is how many bad lines a report keeps, each with at most
// badTextMax bytes of its text; OnBad gets them all, and whole.
const (
	BadLinesMax = 1000
	badTextMax  = 1000
)

// ImportReport is what came of an import. When Applied is false nothing was
// changed, and Created and Updated count what would have been.
type ImportReport struct {
	Read      int64     `json:"read"`
	Created   int64     `json:"created"`
	Updated   int64     `json:"updated"`
	Unchanged int64     `json:"unchanged"`
	Bad       int64     `json:"bad"`
	BadLines  []BadLine `json:"bad_lines,omitempty"` // the first BadLinesMax
	Applied   bool      `json:"applied"`
}

// importBatch is how many entries are stored at a time; progressEvery, about how
// many lie between two calls of Progress.
const (
	importBatch   = 500
	progressEvery = 10_000
)

// errNotApplied undoes an import that is not wanted in the end.
var errNotApplied = errors.New("the import is undone")

// ImportLinks stores the links of a file in one piece: all, or none when the call
// fails, is cut short, or finds a bad line without SkipBad. Bad lines are not an
// error of the call: look at Bad and Applied. A slug that stands in the file twice
// is bad the second time. Other changes wait until the import is done; readers do
// not.
//
// Memory stays flat: four bytes for each link, to name the line of its first
// appearance.
func (c *Catalog) ImportLinks(ctx context.Context, actor Actor, source LinkSource, options ImportOptions) (ImportReport, error) {
	im := importer{options: options, lines: map[int64]*linePage{}}
	err := c.Edit(ctx, actor, func(e *Edit) error {
		im.e = e
		if err := im.run(source); err != nil {
			return err
		}
		if options.DryRun || im.report.Bad > 0 && !options.SkipBad {
			return errNotApplied
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNotApplied) {
		return ImportReport{}, err
	}
	im.report.Applied = err == nil
	return im.report, nil
}

// importer is one import under way. One goroutine reads, checks and encodes entries;
// the one that holds the transaction stores them meanwhile.
type importer struct {
	e       *Edit
	options ImportOptions
	report  ImportReport
	free    []int64             // ids that were reserved and not used
	lines   map[int64]*linePage // where links stood in the file, by id
}

// entry is one entry of the file on its way into the store.
type entry struct {
	line   int64
	text   string
	link   affiliate.Link
	body   json.RawMessage // the link's document, while it has no id
	reason string          // why it is bad, "" while it is good
}

func (im *importer) run(source LinkSource) error {
	around, err := allSurroundings(im.e.w.Documents())
	if err != nil {
		return err
	}
	r := importReader{source: source, around: around, operator: im.e.actor.Operator, now: im.e.now,
		batches: make(chan []entry, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go r.run()
	defer func() { // the source is the caller's again when the import is over
		close(r.stop)
		<-r.done
	}()
	for batch := range r.batches {
		if err := im.flush(batch); err != nil {
			return err
		}
		before := im.report.Read
		im.report.Read += int64(len(batch))
		if im.options.Progress != nil && before/progressEvery != im.report.Read/progressEvery {
			im.options.Progress(im.report.Read)
		}
	}
	if r.err == nil && im.options.Progress != nil {
		im.options.Progress(im.report.Read)
	}
	return r.err
}

// importReader turns a source into checked batches.
type importReader struct {
	source   LinkSource
	around   *surroundings
	operator bool
	now      time.Time

	batches chan []entry
	stop    chan struct{} // closed when nobody wants more
	done    chan struct{} // closed when the source is not used any more
	err     error         // why reading ended; read it after batches is closed
}

func (r *importReader) run() {
	defer close(r.done)
	defer close(r.batches)
	for {
		batch, err := r.batch()
		if len(batch) > 0 && (err == nil || errors.Is(err, io.EOF)) {
			select {
			case r.batches <- batch:
			case <-r.stop:
				return
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if r.err = err; err != nil {
			return
		}
	}
}

// batch reads up to importBatch entries.
func (r *importReader) batch() ([]entry, error) {
	batch := make([]entry, 0, importBatch)
	for len(batch) < importBatch {
		line, text, link, err := r.source.Next()
		if errors.Is(err, io.EOF) {
			return batch, err
		}
		batch = append(batch, entry{line: line, text: text, link: link})
		en := &batch[len(batch)-1]
		if err == nil {
			_, err = r.around.check(&en.link, r.operator)
		}
		switch {
		case affiliate.CodeOf(err) == affiliate.Invalid:
			en.reason = err.Error()
		case err != nil:
			return nil, fmt.Errorf("the import ends at line %d, and nothing is changed: %w", line, err)
		default:
			newborn(&en.link, 0, r.now)
			en.body = encode(&en.link)
		}
	}
	return batch, nil
}

// flush stores a batch and tells of its bad entries, in the order of the file.
func (im *importer) flush(batch []entry) error {
	if err := im.insert(batch); err != nil {
		return err
	}
	for i := range batch {
		if en := &batch[i]; en.reason != "" {
			if err := im.bad(BadLine{Line: en.line, Text: en.text, Reason: en.reason}); err != nil {
				return err
			}
		}
	}
	return nil
}

// insert adds the good entries of a batch. Which names are taken is for the
// store's index to say; only those are looked at one by one.
func (im *importer) insert(batch []entry) error {
	rows := make([]store.Link, 0, len(batch))
	entries := make([]*entry, 0, len(batch))
	for i := range batch {
		if en := &batch[i]; en.reason == "" {
			rows = append(rows, store.Link{Link: &en.link})
			entries = append(entries, en)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := im.reserve(len(rows)); err != nil {
		return err
	}
	ids := im.free[:len(rows)]
	for i := range rows {
		rows[i].ID = ids[i]
		rows[i].Body = withID(entries[i].body, ids[i])
	}
	taken, err := im.e.w.Links().Insert(rows)
	if err != nil {
		return im.e.fail(err)
	}
	if err := im.created(rows, entries, taken); err != nil {
		return err
	}
	unused := make([]int64, 0, len(taken))
	for _, i := range taken {
		unused = append(unused, ids[i])
		if err := im.exists(entries[i]); err != nil {
			return err
		}
	}
	im.free = unused
	return nil
}

// bodyWithoutID is how the document of a link begins that has no id yet.
const bodyWithoutID = `{"id":0,`

// withID puts the id into a document that was encoded without, which is cheaper
// than to encode it once the id is known.
func withID(body json.RawMessage, id int64) json.RawMessage {
	rest, ok := bytes.CutPrefix(body, []byte(bodyWithoutID))
	if !ok {
		panic("BUG: the document of a link does not begin with " + bodyWithoutID)
	}
	out := make([]byte, 0, len(body)+20)
	out = strconv.AppendInt(append(out, `{"id":`...), id, 10)
	return append(append(out, ','), rest...)
}

// reserve makes sure that there are n ids.
func (im *importer) reserve(n int) error {
	need := n - len(im.free)
	if need <= 0 {
		return nil
	}
	first, err := im.e.w.Links().Reserve(need)
	for i := range int64(need) {
		im.free = append(im.free, first+i)
	}
	return err
}

// created records the links that were not left out.
func (im *importer) created(rows []store.Link, entries []*entry, taken []int) error {
	changes := make([]Change, 0, len(rows)-len(taken))
	for i, row := range rows {
		if len(taken) > 0 && taken[0] == i {
			taken = taken[1:]
			continue
		}
		im.mark(row.ID, entries[i].line)
		if err := im.e.keepCap(nil, row.Link); err != nil {
			return err
		}
		changes = append(changes, Change{Kind: KindLink, Action: ActionCreate, Key: linkKey(row.ID), After: row.Body})
	}
	im.report.Created += int64(len(changes))
	if len(changes) == 0 {
		return nil
	}
	return im.e.record(changes...)
}

// exists deals with an entry whose name is taken: by an earlier entry of the
// file, or by a link that was there before.
func (im *importer) exists(en *entry) error {
	there, err := im.e.w.Links().BySlug(en.link.Site, en.link.Slug)
	if err != nil {
		return err
	}
	if line := im.lineOf(there.ID); line != 0 {
		en.reason = fmt.Sprintf("the name %q stands in line %d already", en.link.Slug, line)
		return nil
	}
	if !im.options.Update {
		en.reason = fmt.Sprintf("the name %q is taken on the site %q, by link %d", en.link.Slug, en.link.Site, there.ID)
		return nil
	}
	next := en.link
	if im.options.Merge != nil {
		next = im.options.Merge(ownCopy(there), next)
		next.Site = there.Site
	}
	_, changed, _, err := im.e.replaceLink(there, next)
	switch code := affiliate.CodeOf(err); {
	case code == affiliate.Invalid || code == affiliate.Conflict:
		en.reason = err.Error()
		return nil
	case err != nil:
		return err
	case changed:
		im.report.Updated++
	default:
		im.report.Unchanged++
	}
	im.mark(there.ID, en.line)
	return nil
}

func (im *importer) bad(line BadLine) error {
	im.report.Bad++
	if im.options.OnBad != nil {
		if err := im.options.OnBad(line); err != nil {
			return err
		}
	}
	if len(im.report.BadLines) < BadLinesMax {
		if len(line.Text) > badTextMax {
			line.Text = line.Text[:badTextMax] + "…"
		}
		im.report.BadLines = append(im.report.BadLines, line)
	}
	return nil
}

// linePage holds the lines of neighbouring ids. Ids are dense, so this is small
// where a map of a million names would not be.
type linePage [1 << linePageBits]uint32

const linePageBits = 12

func (im *importer) mark(id, line int64) {
	page := im.lines[id>>linePageBits]
	if page == nil {
		page = new(linePage)
		im.lines[id>>linePageBits] = page
	}
	page[id&(1<<linePageBits-1)] = uint32(line)
}

// lineOf is where the link stood in this file; 0: nowhere yet.
func (im *importer) lineOf(id int64) int64 {
	if page := im.lines[id>>linePageBits]; page != nil {
		return int64(page[id&(1<<linePageBits-1)])
	}
	return 0
}
