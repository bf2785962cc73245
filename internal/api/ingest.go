package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ingest"
)

const tagIngest = "Clicks from elsewhere"

// Ingest takes in clicks that were made elsewhere, and knows the keys that sign them.
type Ingest interface {
	// Key is the secret of a site's key, whether or not it is accepted.
	Key(site string, number int) []byte
	// TakeLog is ingest.Intake's.
	TakeLog(ctx context.Context, format ingest.Format, host string, log []byte) (ingest.Receipt, error)
}

// IngestKey is a key that signs a site's clicks from elsewhere.
type IngestKey struct {
	Name    string `json:"name" doc:"What the sender puts into the header sluice-key." example:"blog.2"`
	Number  int    `json:"number" doc:"Number of the key." example:"2"`
	Current bool   `json:"current" doc:"The newest key, for every sender; the others are still accepted."`
	Secret  string `json:"secret" doc:"Signs batches: the key is the bytes that stand as base64 behind whsec_. See docs/ingest.md."`
}

// IngestKeyList is a site's keys and where batches are sent.
type IngestKeyList struct {
	Site    string      `json:"site" doc:"The site."`
	Address string      `json:"address" doc:"Where batches of clicks are sent." example:"https://blog.example/ingest/clicks"`
	Items   []IngestKey `json:"items" doc:"The keys that are accepted, the current one first."`
}

// IngestReceipt is what came of a piece of a log.
type IngestReceipt struct {
	Taken    int             `json:"taken" doc:"Lines that are stored. Those that were sent before count once in the reports all the same."`
	Refused  int             `json:"refused" doc:"Lines that are not, because something is wrong with them."`
	NotLinks int             `json:"not_links" doc:"Lines in the combined format that are of no link, such as pages and pictures."`
	Refusals []IngestRefusal `json:"refusals,omitempty" doc:"The first thousand of them, and why."`
}

// IngestRefusal is a line of a log that was not taken.
type IngestRefusal struct {
	Line int    `json:"line" doc:"Which, counted from 1." example:"17"`
	Why  string `json:"why" doc:"What is wrong with it." example:"ip: \"unknown\" is not an address"`
}

type ingestKeysAnswer struct{ Body IngestKeyList }

func (s *server) registerIngest() {
	handle(s, operation{
		method: http.MethodGet, path: "/sites/{site}/ingest-keys", id: "listIngestKeys", tag: tagIngest, access: operator,
		summary: "Show the keys that sign a site's clicks from elsewhere",
	}, s.listIngestKeys)
	handle(s, operation{
		method: http.MethodPost, path: "/sites/{site}/ingest-keys", id: "rotateIngestKey", tag: tagIngest, access: operator,
		summary: "Make a new key", description: "The keys before it are accepted until they are revoked, so no click is lost while the senders get the new one.",
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, s.rotateIngestKey)
	handle(s, operation{
		method: http.MethodDelete, path: "/sites/{site}/ingest-keys/{number}", id: "revokeIngestKey", tag: tagIngest, access: operator, status: http.StatusOK,
		summary: "End a key before the current one", errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, s.revokeIngestKey)
	file := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	handle(s, operation{
		method: http.MethodPost, path: "/ingest", id: "ingestLog", tag: tagIngest, access: operator,
		summary: "Take in a log of clicks that were made elsewhere",
		description: "Whole lines, at most 4 MiB of them. Each is taken for itself; those that make no sense are told and hold up nothing. " +
			"The answer means that the others are on the disk. A log may be sent again, whole or in part: each click counts once.",
		adjust: func(op *huma.Operation) {
			op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/x-ndjson": file, "text/plain": file, "application/octet-stream": file}}
			op.Responses = map[string]*huma.Response{"200": {Description: "What came of it.", Content: map[string]*huma.MediaType{
				"application/json": {Schema: s.schemaOf(IngestReceipt{})},
			}}}
		},
	}, s.ingestLog)
}

func (s *server) intake() (Ingest, error) {
	if s.Ingest == nil {
		return nil, affiliate.Errorf(affiliate.Unavailable, "this server takes no clicks in; ask the one that visitors reach")
	}
	return s.Ingest, nil
}

func (s *server) listIngestKeys(ctx context.Context, in *SitePath) (*ingestKeysAnswer, error) {
	site, err := s.Catalog.Site(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	return s.ingestKeysOf(site)
}

func (s *server) rotateIngestKey(ctx context.Context, in *SitePath) (*ingestKeysAnswer, error) {
	return s.changeIngestKeys(ctx, in.Site, affiliate.SiteKeys.Rotate)
}

func (s *server) revokeIngestKey(ctx context.Context, in *struct {
	SitePath
	Number int `path:"number" minimum:"1" maximum:"1000000" doc:"Number of the key." example:"1"`
}) (*ingestKeysAnswer, error) {
	return s.changeIngestKeys(ctx, in.Site, func(k affiliate.SiteKeys) (affiliate.SiteKeys, error) { return k.Revoke(in.Number) })
}

func (s *server) changeIngestKeys(ctx context.Context, id string, change func(affiliate.SiteKeys) (affiliate.SiteKeys, error)) (*ingestKeysAnswer, error) {
	if _, err := s.intake(); err != nil {
		return nil, err
	}
	site, err := s.Catalog.Site(ctx, id)
	if err != nil {
		return nil, err
	}
	keys, err := change(site.IngestKeys())
	if err != nil {
		return nil, err
	}
	site.Keys = &keys
	if site, err = s.Catalog.UpdateSite(ctx, callerOf(ctx).actor(), site, site.Version); err != nil {
		return nil, err
	}
	return s.ingestKeysOf(site)
}

func (s *server) ingestKeysOf(site affiliate.Site) (*ingestKeysAnswer, error) {
	intake, err := s.intake()
	if err != nil {
		return nil, err
	}
	keys := site.IngestKeys()
	base := ""
	if s.PublicURL != nil {
		base = s.PublicURL(site)
	}
	list := IngestKeyList{Site: site.ID, Address: base + ingest.Path}
	for _, n := range keys.All() {
		list.Items = append(list.Items, IngestKey{Name: site.ID + "." + strconv.Itoa(n), Number: n, Current: n == keys.Current, Secret: ingest.Secret(intake.Key(site.ID, n))})
	}
	return &ingestKeysAnswer{Body: list}, nil
}

func (s *server) ingestLog(ctx context.Context, in *struct {
	Format string `query:"format" enum:"clicks,combined" default:"clicks" doc:"How lines are written: a click as JSON, as docs/ingest.md has it, or the combined format of nginx and Apache."`
	Host   string `query:"host" maxLength:"253" doc:"Host of lines that name none." example:"blog.example"`
}) (*huma.StreamResponse, error) {
	intake, err := s.intake()
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		log := logs.Get().(*bytes.Buffer)
		defer logs.Put(log)
		err := s.receiveLog(w, r, log)
		var receipt ingest.Receipt
		if err == nil {
			receipt, err = intake.TakeLog(ctx, ingest.Format(in.Format), in.Host, log.Bytes())
		}
		if err != nil {
			problem := s.problemOf(ctx, err)
			if affiliate.CodeOf(err) == affiliate.Unavailable {
				problem = problem.with("Retry-After", "1") // nothing was taken, and the sender has it still
			}
			writeProblem(w, problem)
			return
		}
		out := IngestReceipt{Taken: receipt.Taken, Refused: receipt.Refused, NotLinks: receipt.NotLinks}
		for _, one := range receipt.Refusals {
			out.Refusals = append(out.Refusals, IngestRefusal(one))
		}
		s.jsonAnswer(out).Body(hc)
	}}, nil
}

// logs are the memory of pieces of logs, each used again.
var logs = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// receiveLog reads a piece of a log into memory.
func (s *server) receiveLog(w http.ResponseWriter, r *http.Request, log *bytes.Buffer) error {
	body := &upload{body: http.MaxBytesReader(w, r.Body, ingest.LogBytesMax), control: http.NewResponseController(w)}
	log.Reset()
	if n := r.ContentLength; n > 0 && n <= ingest.LogBytesMax {
		log.Grow(int(n) + bytes.MinRead)
	}
	_, err := io.Copy(log, body)
	_ = body.control.SetReadDeadline(time.Time{}) // as receive does
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return affiliate.Errorf(affiliate.TooLarge, "a piece of a log has at most %d bytes; send it in parts that end with a line", ingest.LogBytesMax)
	case err != nil:
		return newProblem(http.StatusBadRequest, string(affiliate.Invalid), "the log was cut off; nothing of it was taken")
	}
	return nil
}
