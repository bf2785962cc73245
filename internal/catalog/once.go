package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Request is one request that a client may send again because it has not seen
// the answer. Key is the client's (1 to 255 bytes), Hash identifies the request's
// content. Keys are the actor's own and are remembered for RequestLifetime.
type Request struct {
	Key  string
	Hash string
}

// RequestLifetime is how long an answered request is remembered.
const RequestLifetime = 24 * time.Hour

// answered is what is kept of a request.
type answered struct {
	Hash     string          `json:"hash"`
	Response json.RawMessage `json:"response"`
}

// Once runs edit as Edit does and remembers its response, encoded as JSON,
// together with what it changed. When the actor has sent the request before, edit does not
// run: the remembered response is returned and again is true. The same key with
// another hash is a Conflict. What failed is not remembered.
func (c *Catalog) Once(ctx context.Context, actor Actor, request Request, edit func(*Edit) (response any, err error)) (response json.RawMessage, again bool, err error) {
	if request.Key == "" || len(request.Key) > 255 {
		return nil, false, invalid("the request cannot be made safe to repeat", "Idempotency-Key", "it must have 1 to 255 bytes")
	}
	err = c.Edit(ctx, actor, func(e *Edit) error {
		if _, err := e.w.Documents().Sweep(e.now); err != nil {
			return err
		}
		key := requestKey(actor, request)
		var before answered
		err := read(e.w.Documents(), store.Request, key, &before)
		if err == nil {
			if before.Hash != request.Hash {
				return affiliate.Errorf(affiliate.Conflict, "the idempotency key %q came with another request before; use a new key for a new request", request.Key)
			}
			response, again = before.Response, true
			return nil
		}
		if affiliate.CodeOf(err) != affiliate.NotFound {
			return err
		}
		result, err := edit(e)
		if err != nil {
			return err
		}
		response = encode(result)
		return e.fail(e.w.Documents().Put(store.Request, store.Document{Key: key,
			Body: encode(answered{Hash: request.Hash, Response: response}), Expires: e.now.Add(RequestLifetime)}))
	})
	if err != nil {
		return nil, false, err
	}
	return response, again, nil
}

// requestKey has the same length for every actor and key.
func requestKey(actor Actor, request Request) string {
	sum := sha256.Sum256([]byte(actor.Name + "\x00" + request.Key))
	return hex.EncodeToString(sum[:])
}
