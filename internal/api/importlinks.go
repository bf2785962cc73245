package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/linkfile"
)

// ImportEvent is one line of the answer to an import; it has one of its fields.
type ImportEvent struct {
	Progress *int64           `json:"progress,omitempty" doc:"How many entries have been read. About once per second."`
	Bad      *catalog.BadLine `json:"bad,omitempty" doc:"An entry that cannot be imported."`
	Report   *ImportReport    `json:"report,omitempty" doc:"What came of it; the last line."`
	Error    *Problem         `json:"error,omitempty" doc:"Why the import ended without effect; the last line."`
}

// ImportReport is what came of an import.
type ImportReport struct {
	Read      int64    `json:"read" doc:"Entries in the file."`
	Created   int64    `json:"created" doc:"Links added."`
	Updated   int64    `json:"updated" doc:"Links replaced."`
	Unchanged int64    `json:"unchanged" doc:"Links that were as the file says already."`
	Bad       int64    `json:"bad" doc:"Entries that cannot be imported."`
	Applied   bool     `json:"applied" doc:"Whether anything was kept. If not, the counts say what would have been."`
	Format    string   `json:"format" doc:"The format that was read."`
	Notes     []string `json:"notes,omitempty" doc:"What was left aside, such as a column without meaning here."`
	Head      string   `json:"head,omitempty" doc:"What must stand before the bad lines to make a file that can be corrected and imported."`
	Tail      string   `json:"tail,omitempty" doc:"What must stand after them."`
}

// progressEvery is how often an import tells how far it is.
const progressEvery = time.Second

func (s *server) registerLinkFiles() {
	file := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	handle(s, operation{
		method: http.MethodPost, path: "/links/import", id: "importLinks", tag: tagLinks, access: write,
		summary: "Import a file of links",
		description: "CSV with at least slug and url, JSON lines, or an nginx map; may be compressed with gzip. All or nothing, unless skip_bad. " +
			"The file is received whole first. The answer is a stream of JSON lines: progress about once per second, each bad entry, and at the end the report or the error.",
		adjust: func(op *huma.Operation) {
			op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
				"text/csv": file, "application/x-ndjson": file, "text/plain": file, "application/octet-stream": file,
			}}
			op.Responses = map[string]*huma.Response{"200": {Description: "One JSON document per line.", Content: map[string]*huma.MediaType{
				"application/x-ndjson": {Schema: s.schemaOf(ImportEvent{})},
			}}}
		},
	}, s.importLinks)
	handle(s, operation{
		method: http.MethodGet, path: "/links/export", id: "exportLinks", tag: tagLinks, access: read,
		summary: "Download all links as a file", description: "As import reads it. A format that cannot express a link answers 422 and names it, unless skip is set; then the header Sluice-Skipped counts those left out.",
		adjust: func(op *huma.Operation) {
			op.Responses = map[string]*huma.Response{"200": {Description: "The file.",
				Headers: map[string]*huma.Param{"Sluice-Skipped": {Description: "How many links the format cannot express.", Schema: &huma.Schema{Type: huma.TypeInteger}}},
				Content: map[string]*huma.MediaType{
					"text/csv": file, "application/x-ndjson": file, "text/plain": file,
				}}}
		},
	}, s.exportLinks)
}

func (s *server) importLinks(ctx context.Context, in *struct {
	Request
	Format  string `query:"format" enum:"csv,jsonl,nginx" doc:"Format of the file. Default: what it looks like."`
	Site    string `query:"site" doc:"Site of the links whose entry names none; may be left out when there is only one." example:"blog"`
	SkipBad bool   `query:"skip_bad" doc:"Import the good entries of a file that has bad ones."`
	Update  bool   `query:"update" doc:"Change links that exist; otherwise they are bad entries. What the file has no column for stays as it is; a JSON document replaces the whole link."`
	DryRun  bool   `query:"dry_run" doc:"Check everything and keep nothing."`
}) (*huma.StreamResponse, error) {
	options, err := s.fileOptions(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	return s.takeFile(ctx, func(w http.ResponseWriter, file io.Reader) {
		source, err := linkfile.NewReader(linkfile.Format(in.Format), file, options)
		if err != nil {
			writeProblem(w, s.problemOf(ctx, fileError(err)))
			return
		}
		s.runImport(ctx, w, options.Site, source, catalog.ImportOptions{SkipBad: in.SkipBad, Update: in.Update, DryRun: in.DryRun, Merge: mergeOf(source)})
	}), nil
}

// takeFile answers with what work writes once the whole upload is there.
func (s *server) takeFile(ctx context.Context, work func(w http.ResponseWriter, file io.Reader)) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		done, err := s.mayKeepFile()
		if err != nil {
			writeProblem(w, s.problemOf(ctx, err))
			return
		}
		defer done()
		file, err := s.receive(w, r)
		if err != nil {
			writeProblem(w, s.problemOf(ctx, err))
			return
		}
		defer func() { _ = file.Close() }() // it was only read, and is gone already
		work(w, file)
	}}
}

// fileOptions are what a file needs to know of its site.
func (s *server) fileOptions(ctx context.Context, id string) (linkfile.Options, error) {
	options := linkfile.Options{Site: id, BytesMax: s.ImportBytesMax}
	if id == "" {
		sites, err := s.Catalog.Sites(ctx)
		if err != nil || len(sites) != 1 {
			return options, err
		}
		id = sites[0].ID
		options.Site = id
	}
	site, err := s.Catalog.Site(ctx, id)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return options, faultf("site", err.Error())
	}
	options.Prefix, options.Default = site.Prefix, site.DefaultURL
	return options, err
}

// receive takes the upload into a file without a name. Nobody else has to wait
// for a slow sender then, and the answer can begin before a client that sends
// first and reads later would be stuck.
func (s *server) receive(w http.ResponseWriter, r *http.Request) (*os.File, error) {
	file, err := s.tempFile()
	if err != nil {
		return nil, err
	}
	body := &upload{body: http.MaxBytesReader(w, r.Body, s.ImportBytesMax), control: http.NewResponseController(w)}
	_, err = io.Copy(file, body)
	// The server goes on reading to notice a caller who leaves; a deadline would
	// look like one.
	_ = body.control.SetReadDeadline(time.Time{})
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(s.uploadError(r, err), file.Close())
	}
	return file, nil
}

func (s *server) uploadError(r *http.Request, err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return affiliate.Errorf(affiliate.TooLarge, "the file is larger than %d bytes; split it, or compress it with gzip", tooLarge.Limit)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded), r.Context().Err() != nil:
		return newProblem(http.StatusBadRequest, string(affiliate.Invalid), "the upload was cut off; nothing was changed")
	case errors.Is(err, syscall.ENOSPC):
		return s.diskFull()
	}
	return fmt.Errorf("taking an upload: %w", err)
}

// upload moves the deadline with each piece that arrives.
type upload struct {
	body    io.Reader
	control *http.ResponseController
}

func (u *upload) Read(p []byte) (int, error) {
	_ = u.control.SetReadDeadline(time.Now().Add(stallMax)) // a server without deadlines has none to move
	return u.body.Read(p)
}

// runImport hands the file to the catalog and tells how it goes.
func (s *server) runImport(ctx context.Context, w http.ResponseWriter, site string, source *linkfile.Reader, options catalog.ImportOptions) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	events := &eventWriter{enc: json.NewEncoder(w), control: http.NewResponseController(w)}
	events.enc.SetEscapeHTML(false)
	last := s.Now()
	options.Progress = func(n int64) {
		if now := s.Now(); now.Sub(last) >= progressEvery {
			last = now
			_ = events.send(ImportEvent{Progress: &n}) // a caller that is gone ends the import through ctx
		}
	}
	options.OnBad = func(bad catalog.BadLine) error { return events.send(ImportEvent{Bad: &bad}) }
	report, err := s.Catalog.ImportLinks(ctx, callerOf(ctx).actor(), source, options)
	var notes []string
	if err == nil && report.Applied {
		notes, err = s.adoptDefaults(ctx, site, source.Defaults())
	}
	if err == nil && report.Applied && s.Followed != nil {
		err = s.Followed(ctx)
	}
	end := ImportEvent{}
	if err != nil {
		end.Error = s.problemOf(ctx, fileError(err))
	} else {
		end.Report = reportOfImport(report, source)
		end.Report.Notes = append(end.Report.Notes, notes...)
	}
	if err := errors.Join(events.send(end), events.flush()); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// adoptDefaults sends the site's unknown names where the file's nginx map did, if
// the site has no default of its own. What it did, or why not, is for the user.
func (s *server) adoptDefaults(ctx context.Context, id string, defaults []linkfile.Default) (notes []string, err error) {
	if len(defaults) == 0 {
		return nil, nil
	}
	site, err := s.Catalog.Site(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, d := range defaults {
		note := fmt.Sprintf("unknown names of the site %s are sent to %s now, the map's default", site.ID, d.URL)
		switch {
		case site.DefaultURL == d.URL:
			continue
		case site.DefaultURL != "":
			note = fmt.Sprintf("line %d: the map's default %s was left aside: the site %s sends unknown names to %s", d.Line, d.URL, site.ID, site.DefaultURL)
		default:
			changed := site
			changed.DefaultURL = d.URL
			changed, err = s.Catalog.UpdateSite(ctx, callerOf(ctx).actor(), changed, site.Version)
			if affiliate.CodeOf(err) != "" {
				note = fmt.Sprintf("line %d: the map's default %s was left aside: %s", d.Line, d.URL, err)
			} else if err != nil {
				return notes, err
			} else {
				site = changed
			}
		}
		notes = append(notes, note)
	}
	return notes, nil
}

func reportOfImport(r catalog.ImportReport, source *linkfile.Reader) *ImportReport {
	out := &ImportReport{
		Read: r.Read, Created: r.Created, Updated: r.Updated, Unchanged: r.Unchanged, Bad: r.Bad, Applied: r.Applied,
		Format: string(source.Format()), Notes: source.Notes(),
	}
	if r.Bad > 0 {
		out.Head, out.Tail = source.Frame()
	}
	return out
}

// fileError makes what is wrong with the caller's file the caller's fault.
func fileError(err error) error {
	if errors.Is(err, linkfile.ErrTruncated) {
		return affiliate.Errorf(affiliate.Invalid, "%s", err)
	}
	return err
}

// eventWriter writes one JSON document per line.
type eventWriter struct {
	enc     *json.Encoder
	control *http.ResponseController
}

func (e *eventWriter) send(event ImportEvent) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(stallMax)) // a server without deadlines has none to move
	if err := e.enc.Encode(event); err != nil {
		return err
	}
	if event.Progress != nil {
		return e.flush()
	}
	return nil
}

func (e *eventWriter) flush() error {
	if err := e.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
