package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/postback"
)

// ConversionImportEvent is one line of the answer to an import of reports; it has one of its fields.
type ConversionImportEvent struct {
	Progress *int64                  `json:"progress,omitempty" doc:"How many lines have been taken in. About once per second."`
	Bad      *BadReport              `json:"bad,omitempty" doc:"A line that was not taken in."`
	Report   *ConversionImportReport `json:"report,omitempty" doc:"What came of it; the last line."`
	Error    *Problem                `json:"error,omitempty" doc:"Why the import ended before the end of the file; the last line. What was told before is stored."`
}

// BadReport is a line of a file that was not taken in.
type BadReport struct {
	Line    int64  `json:"line" doc:"Where it begins, counted from 1." example:"42"`
	Reason  string `json:"reason" doc:"Why, for programs; docs/postbacks.md lists the words." example:"amount_malformed"`
	Message string `json:"message" doc:"What is wrong and what to do, for people."`
}

// ConversionImportReport is what came of an import of reports.
type ConversionImportReport struct {
	Read       int64    `json:"read" doc:"Lines in the file, without the header."`
	Taken      int64    `json:"taken" doc:"Reports that are stored now."`
	Duplicates int64    `json:"duplicates" doc:"Reports that changed nothing, because they were known."`
	Bad        int64    `json:"bad" doc:"Lines that were not taken in."`
	Notes      []string `json:"notes,omitempty" doc:"What is worth knowing of lines that were taken, each once."`
}

// takersMax is how many reports of a file are on their way into the books at once: they share a
// sync of the disk. Those of one transaction go one after the other, as the file has them.
const takersMax = 64

func (s *server) registerConversionImport() {
	file := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	handle(s, operation{
		method: http.MethodPost, path: "/conversions/import", id: "importConversions", tag: tagConversions, access: operator,
		summary: "Import a file of reports",
		description: "CSV with a header; columns as docs/postbacks.md has them, txid or click_id among them. Each good line is a report; a bad one is told and the others are taken, " +
			"so a corrected file can be imported again: what is known already counts once. The answer is a stream of JSON lines: progress, each bad line, and at the end the report or the error.",
		adjust: func(op *huma.Operation) {
			op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"text/csv": file, "application/octet-stream": file}}
			op.Responses = map[string]*huma.Response{"200": {Description: "One JSON document per line.", Content: map[string]*huma.MediaType{
				"application/x-ndjson": {Schema: s.schemaOf(ConversionImportEvent{})},
			}}}
		},
	}, s.importConversions)
}

func (s *server) importConversions(ctx context.Context, in *struct {
	Request
	Program string `query:"program" required:"true" maxLength:"64" doc:"Program of the orders." example:"acme"`
}) (*huma.StreamResponse, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	program, err := s.settledProgram(ctx, "program", in.Program)
	if err != nil {
		return nil, err
	}
	return s.takeFile(ctx, func(w http.ResponseWriter, file io.Reader) {
		i := &reportImport{server: s, office: office, told: s.Now(), events: &eventWriter{enc: json.NewEncoder(w), control: http.NewResponseController(w)}}
		i.events.enc.SetEscapeHTML(false)
		w.Header().Set("Content-Type", "application/x-ndjson")
		i.run(ctx, file, postback.Inbox{Program: program.ID, Currency: program.Settlement.Currency})
	}), nil
}

// reportImport is one file on its way into the books.
type reportImport struct {
	server *server
	office Office

	mu     sync.Mutex // guards what follows
	events *eventWriter
	told   time.Time
	report ConversionImportReport
	broken error // ends the import
}

func (i *reportImport) run(ctx context.Context, file io.Reader, inbox postback.Inbox) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var takers sync.WaitGroup
	lanes := make([]chan postback.Row, takersMax)
	for n := range lanes {
		lanes[n] = make(chan postback.Row, 1)
		takers.Go(func() {
			for row := range lanes[n] {
				i.take(ctx, row)
			}
		})
	}
	for row, err := range postback.ReadCSV(file, inbox, i.server.Now()) {
		if i.stopped(ctx) {
			break
		}
		if err != nil {
			i.refused(row, err)
			continue
		}
		lanes[laneOf(row.Report.Tx)] <- row
	}
	for _, lane := range lanes {
		close(lane)
	}
	takers.Wait()
	i.end(ctx)
}

func laneOf(tx string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(tx)) // never fails
	return h.Sum32() % takersMax
}

func (i *reportImport) stopped(ctx context.Context) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.broken != nil || ctx.Err() != nil
}

// take hands a line to the books.
func (i *reportImport) take(ctx context.Context, row postback.Row) {
	if i.stopped(ctx) {
		return
	}
	receipt, err := i.office.Take(ctx, row.Report)
	if err != nil {
		i.refused(row, err)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.report.Read++
	if receipt.Duplicate {
		i.report.Duplicates++
	} else {
		i.report.Taken++
	}
	for _, note := range row.Warnings {
		if len(i.report.Notes) < faultsMax && !slices.Contains(i.report.Notes, note) {
			i.report.Notes = append(i.report.Notes, note)
		}
	}
	if now := i.server.Now(); now.Sub(i.told) >= progressEvery {
		i.told = now
		read := i.report.Read
		i.send(ConversionImportEvent{Progress: &read})
		_ = i.events.flush() // a caller that is gone ends the import through ctx
	}
}

// refused tells of a line that was not taken; what is no fault of the line ends the import.
func (i *reportImport) refused(row postback.Row, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var refusal *postback.Refusal
	switch {
	case errors.As(err, &refusal) && (refusal.Reason == postback.HeaderUnknown || refusal.Reason == postback.FileTooLarge):
		i.broken = affiliate.Errorf(affiliate.Invalid, "line %d: %s", row.Line, err)
	case refusal != nil:
		i.bad(BadReport{Line: int64(row.Line), Reason: string(refusal.Reason), Message: err.Error()})
	case affiliate.CodeOf(err) != "" && affiliate.CodeOf(err) != affiliate.Unavailable:
		i.bad(BadReport{Line: int64(row.Line), Reason: string(affiliate.CodeOf(err)), Message: err.Error()})
	case i.broken == nil:
		i.broken = err
	}
}

func (i *reportImport) bad(line BadReport) {
	i.report.Read++
	i.report.Bad++
	i.send(ConversionImportEvent{Bad: &line})
}

func (i *reportImport) send(event ConversionImportEvent) {
	_ = i.events.control.SetWriteDeadline(time.Now().Add(stallMax)) // a server without deadlines has none to move
	if err := i.events.enc.Encode(event); err != nil && i.broken == nil {
		i.broken = fmt.Errorf("telling of an import: %w", err)
	}
}

func (i *reportImport) end(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	event := ConversionImportEvent{Report: &i.report}
	if i.broken == nil {
		i.broken = ctx.Err()
	}
	if i.broken != nil {
		event = ConversionImportEvent{Error: i.server.problemOf(ctx, i.broken)}
	}
	i.send(event)
	if err := i.events.flush(); err != nil {
		panic(http.ErrAbortHandler)
	}
}
