// Package postback takes in what merchants and networks say about orders: over HTTP
// as postbacks, pixels and a script on the merchant's pages, and as CSV files. Each
// message becomes an affiliate.Report that is stored before it is acknowledged, or is
// refused with the true HTTP status and a reason that a program can read.
//
// It promises that nothing from outside makes it panic, guess or grow: sizes and
// numbers are bounded, an amount is read exactly or not at all, a macro that nobody
// filled in is never a value, and a word that it does not know is never money. What
// is refused reaches the Taker with its text, without secrets, so that no order
// disappears silently.
//
// It knows no store and sets no pace: who a token belongs to, what a second report of
// an order means and in which currency it is settled is for the Taker; how often
// a token may be used and how long a slow sender may take is for the server around.
//
// docs/postbacks.md is the same from the sender's side; a test holds both together.
package postback

import (
	"context"
	"log/slog"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Taker takes reports in: it stores them durably before it returns. It is called by
// many requests at once.
type Taker interface {
	// Program finds what the token in the path belongs to: NotFound for an unknown one.
	// After any other error the sender is told to try again; it must never take a store that is
	// away for a token that is not known.
	Program(ctx context.Context, token string) (Inbox, error)

	// Take stores a report, which has neither ID nor Received nor Rate yet: amounts are in
	// the currency that the sender named. An error with an affiliate.Code, or a Refusal, is the
	// sender's fault; after any other the sender is told to try again.
	Take(ctx context.Context, r affiliate.Report) (Receipt, error)

	// Refuse keeps what was not taken for people to look at. It never fails the request.
	Refuse(ctx context.Context, rejection Rejection)

	// Nonce claims a nonce of a program until a time; it is fresh for the first who asks.
	Nonce(ctx context.Context, program, nonce string, until time.Time) (fresh bool, err error)
}

// Inbox is what a token belongs to, and what may come under it.
type Inbox struct {
	Program  string
	Currency affiliate.Currency // of amounts that come without one
	Secret   []byte             // of signatures; empty: none can be right
	// StaticToken says that the token in the path is enough, without a signature.
	StaticToken bool
	Partner     string // whose token it is, for the Taker; "": the program's
	// Sources are the ways that are open. Empty: all that stay between servers, which
	// leaves out pixel and script. A token with one of these two stands in pages
	// for everyone to read, so that what comes under it unsigned can announce an order
	// but neither approve, pay or reverse it nor name a commission.
	Sources []affiliate.Source
}

// Receipt is what became of a report that was taken.
type Receipt struct {
	ID         string
	Duplicate  bool // it changed nothing
	State      affiliate.State
	Conversion string
	Warnings   []string // "code: sentence" each; docs/postbacks.md lists the codes
}

// Rejection is a report that was not taken.
type Rejection struct {
	At      time.Time
	Program string // "" when the token is unknown
	Source  affiliate.Source
	Status  int // of the HTTP answer, also where a pixel hides it
	Reason  Reason
	Field   string
	Message string
	// Raw is the request's text, at most RawBytesMax of it, with token, signature and secret blanked out.
	Raw string
}

// The bounds of what comes in.
const (
	BodyBytesMax  = 64 << 10 // and as much of query
	ParametersMax = 100
	ValueBytesMax = 1024 // and as much of name
	RawBytesMax   = 4 << 10
	tokenBytesMax = 128
)

// The times that matter.
const (
	SkewMax     = 5 * time.Minute      // between a sender's clock and ours, either way
	NonceWindow = 15 * time.Minute     // in which a nonce is good once; more than twice SkewMax
	AgeMax      = 400 * 24 * time.Hour // of an order
	takeTimeout = 10 * time.Second     // for the Taker, whether the sender waits or not
)

// Options of a Handler.
type Options struct {
	Now    func() time.Time
	Logger *slog.Logger
}

// Handler answers /postback/TOKEN, /pixel/TOKEN.gif and /sluice.js. It takes in no more
// of a request than the bounds, but leaves the time that one may take to the server.
type Handler struct {
	taker  Taker
	now    func() time.Time
	logger *slog.Logger
	again  secondChances
}

// New returns a Handler that hands reports to taker.
func New(taker Taker, o Options) *Handler {
	return &Handler{taker: taker, now: o.Now, logger: o.Logger}
}
