package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sluicehq/sluice/internal/affiliate"
)

// mergePatch is the media type of RFC 7396.
const mergePatch = "application/merge-patch+json"

// patchBody describes the body. The framework hands it over as it is, because a
// merge patch tells null from absent.
func (s *server) patchBody(op *huma.Operation) {
	schema := &huma.Schema{Ref: schemaPrefix + linkPatchSchema}
	example := map[string]any{"status": "paused", "note": nil}
	op.MaxBodyBytes = bodyBytesMax
	op.SkipValidateBody = true
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		mergePatch:         {Schema: schema, Example: example},
		"application/json": {Schema: schema, Example: example},
	}}
}

// patchTries is how often a patch without If-Match is tried again when somebody
// else changes the link meanwhile.
const patchTries = 5

func (s *server) patchLink(ctx context.Context, in *struct {
	Request
	LinkPath
	Precondition
	RawBody []byte
}) (*linkAnswer, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	if err := s.checkPatch(in.r.Header.Get("Content-Type"), in.RawBody); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		answer, err := s.tryPatch(ctx, in.ID, version, in.RawBody)
		if affiliate.CodeOf(err) != affiliate.Stale || version != 0 || try == patchTries {
			return answer, err
		}
	}
}

// checkPatch looks at the form of a patch as the framework looks at other bodies.
// In the schema of the whole link every field may be left out, and what may be
// left out may be null. The patch's own schema says the same to readers, but to
// the framework's checks it would hide which part of a field is wrong.
func (s *server) checkPatch(contentType string, body []byte) error {
	var patch any
	if err := s.api.Unmarshal(contentType, body, &patch); errors.Is(err, huma.ErrUnknownContentType) {
		return frameworkProblem(http.StatusUnsupportedMediaType, "validation failed")
	} else if err != nil {
		return frameworkProblem(http.StatusBadRequest, "validation failed", err)
	}
	registry := s.api.OpenAPI().Components.Schemas
	var found huma.ValidateResult
	huma.Validate(registry, registry.Map()["LinkInput"], huma.NewPathBuffer([]byte{}, 0), huma.ModeWriteToServer, patch, &found)
	if len(found.Errors) > 0 {
		return frameworkProblem(http.StatusUnprocessableEntity, "validation failed", found.Errors...)
	}
	return nil
}

func (s *server) tryPatch(ctx context.Context, id, version int64, patch []byte) (*linkAnswer, error) {
	link, err := s.Catalog.Link(ctx, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != link.Version {
		return nil, affiliate.Errorf(affiliate.Stale, "the link was changed meanwhile; it has version %d now", link.Version)
	}
	patched, err := patchedLink(link, patch)
	if err != nil {
		return nil, err
	}
	stored, warnings, err := s.Catalog.UpdateLink(ctx, callerOf(ctx).actor(), patched, link.Version)
	if err != nil {
		return nil, err
	}
	return s.linkOf(ctx, stored, warnings)
}

// patchedLink applies a merge patch to a link.
func patchedLink(link affiliate.Link, patch []byte) (affiliate.Link, error) {
	document, err := json.Marshal(link)
	if err != nil {
		return link, fmt.Errorf("encoding a link: %w", err)
	}
	var target, changes map[string]any
	if err := json.Unmarshal(document, &target); err != nil {
		return link, fmt.Errorf("reading a link: %w", err)
	}
	if err := json.Unmarshal(patch, &changes); err != nil {
		return link, affiliate.Errorf(affiliate.Invalid, "the body is not a JSON object")
	}
	if changes["url"] != nil && changes["destinations"] == nil {
		delete(target, "destinations")
	}
	merged, err := json.Marshal(merge(target, changes))
	if err != nil {
		return link, fmt.Errorf("encoding a link: %w", err)
	}
	var in LinkInput
	if err := json.Unmarshal(merged, &in); err != nil {
		return link, affiliate.Errorf(affiliate.Invalid, "the patched link is not valid: %v", err)
	}
	if in.ID != link.ID {
		return link, faultf("id", "it cannot be changed; leave it out")
	}
	return in.link()
}

// merge is the algorithm of RFC 7396.
func merge(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for name, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			inner, _ := target[name].(map[string]any)
			target[name] = merge(inner, value)
		default:
			target[name] = value
		}
	}
	return target
}
