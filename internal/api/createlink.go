package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

func (s *server) createLink(ctx context.Context, in *struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Chosen by the client, new for each link, such as a UUID. Remembered for 24 hours." example:"0f0b9f0e-4f3e-4a39-9e53-0b8c3a8b2d7a"`
	Body LinkInput
}) (*linkCreated, error) {
	link, err := in.Body.link()
	if err != nil {
		return nil, err
	}
	if link.ID != 0 {
		return nil, faultf("id", "the server gives the id; leave it out")
	}
	bases, err := s.bases(ctx)
	if err != nil {
		return nil, err
	}
	add := func(e *catalog.Edit) (Link, error) {
		stored, warnings, err := addLink(e, link)
		return bases.link(stored, warnings), err
	}
	if in.Key == "" {
		out := &linkCreated{}
		err = s.Catalog.Edit(ctx, callerOf(ctx).actor(), func(e *catalog.Edit) (err error) {
			out.Body, err = add(e)
			return err
		})
		return out.complete(), err
	}
	return s.createOnce(ctx, in.Key, in.Body, add)
}

// createOnce adds the link unless the caller's key has added it before.
func (s *server) createOnce(ctx context.Context, key string, body LinkInput, add func(*catalog.Edit) (Link, error)) (*linkCreated, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encoding a link: %w", err)
	}
	hash := sha256.Sum256(content)
	ran := false
	response, again, err := s.Catalog.Once(ctx, callerOf(ctx).actor(), catalog.Request{Key: key, Hash: hex.EncodeToString(hash[:])},
		func(e *catalog.Edit) (any, error) {
			ran = true
			return add(e)
		})
	if !ran && affiliate.CodeOf(err) == affiliate.Conflict {
		return nil, faultf("Idempotency-Key", "it was used for another link; choose a new one for each link")
	}
	if err != nil {
		return nil, err
	}
	out := &linkCreated{}
	if err := json.Unmarshal(response, &out.Body); err != nil {
		return nil, fmt.Errorf("reading a remembered answer: %w", err)
	}
	if again {
		out.Replayed = "true"
	}
	return out.complete(), nil
}

// complete fills in the headers.
func (a *linkCreated) complete() *linkCreated {
	a.Location, a.ETag = linkAddress(a.Body.ID), etag(a.Body.Version)
	return a
}

// slugTries is how many random names are tried: with 31^6 of them, even a site
// of a million links takes the first one 999 times in 1000.
const slugTries = 8

// addLink adds a link, under a random name when it has none.
func addLink(e *catalog.Edit, link affiliate.Link) (affiliate.Link, []affiliate.Fault, error) {
	if link.Slug != "" {
		return e.CreateLink(link)
	}
	for range slugTries {
		link.Slug = randomSlug()
		stored, warnings, err := e.CreateLink(link)
		if affiliate.CodeOf(err) != affiliate.Conflict {
			return stored, warnings, err
		}
	}
	return link, nil, affiliate.Errorf(affiliate.Conflict, "no free short name was found; choose one yourself")
}

// slugLetters are those that are not taken for one another when read aloud or
// typed from paper.
const slugLetters = "23456789abcdefghjkmnpqrstuvwxyz"

const slugLength = 6

func randomSlug() string {
	var random [slugLength]byte
	_, _ = rand.Read(random[:]) // never fails
	for i, b := range random {
		random[i] = slugLetters[int(b)%len(slugLetters)]
	}
	return string(random[:])
}
