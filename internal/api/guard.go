package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// guard is around everything: headers, the log, and problems for what no
// operation answers.
func (s *server) guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.Now()
		answer := &response{ResponseWriter: w}
		secure(w.Header())
		defer s.recover(answer, r)
		if _, pattern := mux.Handler(r); pattern == "" {
			refuse(answer, mux, r)
		} else {
			mux.ServeHTTP(answer, r)
		}
		s.logger.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", answer.status), slog.Duration("took", s.Now().Sub(began)))
	})
}

// secure sets what every answer carries. The API is never a page.
func secure(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// refuse answers what the mux has no operation for. The mux knows whether the
// path exists with another method.
func refuse(w http.ResponseWriter, mux *http.ServeMux, r *http.Request) {
	probe := &discarded{header: http.Header{}}
	mux.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allow := probe.header.Get("Allow")
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, codeMethod, r.Method+" is not possible here; "+allow+" is").with("Allow", allow))
		return
	}
	writeProblem(w, newProblem(http.StatusNotFound, string(affiliate.NotFound), "there is nothing at this address; "+DocumentPath+" lists what there is"))
}

// recover answers a panic. One that was meant to cut the connection goes on.
func (s *server) recover(w *response, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && (errors.Is(err, http.ErrAbortHandler) || r.Context().Err() != nil) {
		panic(http.ErrAbortHandler)
	}
	s.logger.LogAttrs(r.Context(), slog.LevelError, "BUG: request panicked", slog.String("method", r.Method),
		slog.String("path", r.URL.Path), slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	writeProblem(w, newProblem(http.StatusInternalServerError, codeInternal, ourFault))
}

// response remembers the status.
type response struct {
	http.ResponseWriter
	status int
}

func (r *response) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *response) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// discarded takes an answer for its status and headers.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(status int) {
	if d.status == 0 {
		d.status = status
	}
}
