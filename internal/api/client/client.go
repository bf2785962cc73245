// Package client speaks the REST API of a Sluice server in Go. The command line is
// its user: on the server's machine over the unix socket, elsewhere with a token.
//
// Errors that the server words for its caller come back as *affiliate.Error, so
// that they read and compare as if the catalog had been called directly. Nothing
// is retried.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
)

// Options of a client.
type Options struct {
	// BaseURL of the server, such as "http://127.0.0.1:8081". Over a unix socket
	// any host will do.
	BaseURL string
	// Token of the scope that the calls need. Empty over the unix socket.
	Token string
	// HTTP carries the requests; http.DefaultClient by default. It must not have a
	// timeout for whole requests if large files are to be moved.
	HTTP *http.Client
}

// Client is a server's client. It is safe for concurrent use.
type Client struct {
	options Options
}

// New returns a client. It does not connect.
func New(options Options) *Client {
	if options.HTTP == nil {
		options.HTTP = http.DefaultClient
	}
	options.BaseURL = strings.TrimSuffix(options.BaseURL, "/")
	return &Client{options: options}
}

// call is one request.
type call struct {
	method string
	path   string // below /api/v1
	query  url.Values
	header http.Header
	body   any       // encoded as JSON
	stream io.Reader // sent as it is, instead of body
}

// do sends the call and decodes the JSON answer into out, if there is an out.
func (c *Client) do(ctx context.Context, call call, out any) error {
	response, err := c.send(ctx, call)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if out == nil {
		return nil
	}
	decoder := json.NewDecoder(response.Body)
	decoder.UseNumber()
	if err := decoder.Decode(out); err != nil {
		return noAnswer{fmt.Errorf("the answer of %s cannot be read: %w", response.Request.URL, err)}
	}
	return nil
}

// ask sends the call and returns what it answers.
func ask[T any](ctx context.Context, c *Client, call call) (T, error) {
	var out T
	err := c.do(ctx, call, &out)
	return out, err
}

// askList sends the call of a listing that comes whole.
func askList[T any](ctx context.Context, c *Client, call call) ([]T, error) {
	out, err := ask[struct {
		Items []T `json:"items"`
	}](ctx, c, call)
	return out.Items, err
}

// send returns the answer of a call that succeeded. The caller closes its body.
func (c *Client) send(ctx context.Context, call call) (*http.Response, error) {
	request, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	response, err := c.options.HTTP.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	err = errorOf(response)
	if seconds, bad := strconv.Atoi(response.Header.Get("Retry-After")); bad == nil && seconds >= 0 {
		err = busy{err, time.Duration(seconds) * time.Second}
	}
	return nil, err
}

// busy is the error of a call that the server asks to make again.
type busy struct {
	error
	after time.Duration
}

func (e busy) Unwrap() error { return e.error }

// RetryAfter is after what time the server asks to make a call again that it could not answer
// now.
func RetryAfter(err error) (after time.Duration, ok bool) {
	var e busy
	ok = errors.As(err, &e)
	return e.after, ok
}

func (c *Client) request(ctx context.Context, call call) (*http.Request, error) {
	address := c.options.BaseURL + "/api/v1" + call.path
	if len(call.query) > 0 {
		address += "?" + call.query.Encode()
	}
	body := call.stream
	if call.body != nil {
		text, err := json.Marshal(call.body)
		if err != nil {
			return nil, fmt.Errorf("encoding a request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, call.method, address, body)
	if err != nil {
		return nil, fmt.Errorf("the server's address %q cannot be used: %w", c.options.BaseURL, err)
	}
	if call.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range call.header {
		request.Header[name] = values
	}
	if c.options.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.options.Token)
	}
	return request, nil
}

// unreachable words a failure below HTTP.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	var dial *net.OpError
	unsent := errors.As(err, &dial) && dial.Op == "dial"
	err = fmt.Errorf("the server at %s cannot be reached; is it running? %w", c.options.BaseURL, err)
	if unsent {
		return unreached{err}
	}
	return noAnswer{err}
}

// noAnswer is the error of a call that may have been done all the same.
type noAnswer struct{ error }

func (e noAnswer) Unwrap() error { return e.error }

// NoAnswer says that a call was sent, and that nobody knows whether it was done: its answer
// was lost. One that carries an Idempotency-Key can be sent again.
func NoAnswer(err error) bool {
	var lost noAnswer
	return errors.As(err, &lost)
}

// unreached is the error of a call that reached no server.
type unreached struct{ error }

func (e unreached) Unwrap() error { return e.error }

// Unreached says that a call may succeed when the server is there again: it could not be
// reached, or did not answer.
func Unreached(err error) bool {
	var e unreached
	return errors.As(err, &e) || NoAnswer(err)
}

// problemBytesMax bounds what is read of an answer that is not a success.
const problemBytesMax = 1 << 20

// errorOf turns an answer that is not a success into an error.
func errorOf(response *http.Response) error {
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	var problem api.Problem
	if mediaType == "application/problem+json" {
		if err := json.NewDecoder(io.LimitReader(response.Body, problemBytesMax)).Decode(&problem); err == nil {
			return errorOfProblem(&problem)
		}
	}
	return fmt.Errorf("%s answered %s; is this the address of a Sluice server?", response.Request.URL, response.Status)
}

func errorOfProblem(p *api.Problem) error {
	switch code := affiliate.Code(p.Code); code {
	case affiliate.Invalid, affiliate.NotFound, affiliate.Conflict, affiliate.Stale,
		affiliate.Forbidden, affiliate.Unsigned, affiliate.Unavailable, affiliate.TooLarge:
		return &affiliate.Error{Code: code, Message: p.Detail, Faults: p.Errors}
	}
	return fmt.Errorf("the server answered %d %s: %s", p.Status, p.Title, p.Detail)
}

// ifVersion is the precondition of a change; 0 means any version.
func ifVersion(version int64) http.Header {
	if version == 0 {
		return nil
	}
	return http.Header{"If-Match": {`"` + strconv.FormatInt(version, 10) + `"`}}
}

// values builds a query and leaves out what is empty.
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
