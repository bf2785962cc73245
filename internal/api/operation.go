package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/sluicehq/sluice/internal/affiliate"
)

// prefix stands before every path but the document's.
const prefix = "/api/v1"

// bodyTimeout bounds how long a request body that is not an upload may take.
const bodyTimeout = 30 * time.Second

// accessExtension is where the document says who may call an operation.
const accessExtension = "x-sluice-access"

// operation describes one endpoint.
type operation struct {
	method, path string // path without the prefix
	id           string
	tag          string
	summary      string
	description  string
	access       access
	status       int   // of success; 0 means 200, or 204 without a body
	errors       []int // beyond those that access and method imply
	adjust       func(*huma.Operation)
}

// handle registers an operation. Whatever error fn returns becomes a problem.
func handle[I, O any](s *server, op operation, fn func(context.Context, *I) (*O, error)) {
	described := s.describe(op)
	huma.Register(s.api, described, func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, in)
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return out, nil
	})
}

func (s *server) describe(op operation) huma.Operation {
	described := huma.Operation{
		Method: op.method, Path: prefix + op.path, OperationID: op.id, Tags: []string{op.tag},
		Summary: op.summary, Description: op.description, DefaultStatus: op.status,
		BodyReadTimeout: bodyTimeout,
		Errors:          errorsOf(op),
		Security:        op.access.security(),
		Extensions:      map[string]any{accessExtension: string(op.access)},
	}
	described.Middlewares = huma.Middlewares{s.admit(op.access), refuseUnknownParameters}
	if op.adjust != nil {
		op.adjust(&described)
	}
	return described
}

// errorsOf lists the statuses of the problems that an operation may answer with.
func errorsOf(op operation) []int {
	statuses := append([]int{http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}, op.errors...)
	if op.access != public {
		statuses = append(statuses, http.StatusUnauthorized, http.StatusForbidden)
	}
	switch op.method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		statuses = append(statuses, http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if strings.Contains(op.path, "{") {
		statuses = append(statuses, http.StatusNotFound)
	}
	slices.Sort(statuses)
	return slices.Compact(statuses)
}

// refuseUnknownParameters answers a misspelt parameter instead of ignoring it: a
// filter that is silently dropped shows more than was asked for.
func refuseUnknownParameters(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if r.URL.RawQuery == "" {
		next(ctx)
		return
	}
	var faults []affiliate.Fault
	for name := range r.URL.Query() {
		known := slices.ContainsFunc(ctx.Operation().Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name })
		if !known && !(strings.HasPrefix(name, "is.") && ctx.Operation().Extensions[filterExtension] != nil) {
			faults = append(faults, affiliate.Fault{Field: name, Message: "there is no such parameter; check its spelling"})
		}
	}
	if len(faults) > 0 {
		slices.SortFunc(faults, func(a, b affiliate.Fault) int { return strings.Compare(a.Field, b.Field) })
		writeProblem(w, newProblem(http.StatusUnprocessableEntity, string(affiliate.Invalid), "the request is not valid", faults...))
		return
	}
	next(ctx)
}

// filterExtension marks the operations that take is.DIMENSION parameters.
const filterExtension = "x-sluice-filter"

// operationOf names the operation of a request in the log.
func operationOf(ctx context.Context) string {
	name, _ := ctx.Value(operationKey{}).(string)
	return name
}

type operationKey struct{}
