package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// stallMax is how long a download or upload may stand still before it is cut.
const stallMax = 60 * time.Second

// jsonAnswer writes one JSON document.
func (s *server) jsonAnswer(v any) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/json")
		if err := s.api.Marshal(ctx.BodyWriter(), "application/json", v); err != nil {
			panic(http.ErrAbortHandler)
		}
	}}
}

// download streams a file. An error before the first byte is a problem; one after
// it breaks the transfer off, so that half a file is not taken for a whole one.
func (s *server) download(contentType, name string, write func(w http.ResponseWriter) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		out := &downloadWriter{ResponseWriter: w, control: http.NewResponseController(w), contentType: contentType, name: name}
		err := write(out)
		if err == nil {
			out.begin()
			_ = out.control.SetWriteDeadline(time.Time{}) // the connection's next answer has its own
			return
		}
		if !out.begun {
			writeProblem(w, s.problemOf(ctx.Context(), err))
			return
		}
		if r.Context().Err() == nil {
			s.logger.ErrorContext(ctx.Context(), "download broken off", "operation", operationOf(ctx.Context()), "error", err)
		}
		panic(http.ErrAbortHandler)
	}}
}

// downloadWriter sets the headers with the first byte, and moves the deadline
// with each piece: a long download is fine, one that nobody takes is not.
type downloadWriter struct {
	http.ResponseWriter
	control     *http.ResponseController
	contentType string
	name        string
	begun       bool
}

func (d *downloadWriter) begin() {
	if d.begun {
		return
	}
	d.begun = true
	d.Header().Set("Content-Type", d.contentType)
	d.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
}

func (d *downloadWriter) Write(p []byte) (int, error) {
	d.begin()
	_ = d.control.SetWriteDeadline(time.Now().Add(stallMax)) // a server without deadlines has none to move
	return d.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (d *downloadWriter) Unwrap() http.ResponseWriter { return d.ResponseWriter }
