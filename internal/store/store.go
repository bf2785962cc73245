// Package store is the contract of where the control data lives: sites,
// programs, partners, links, the log of their changes, users, tokens, sessions,
// settings and idempotency keys; and the books: reports, conversions and the ledger.
//
// An engine keeps bytes in order and knows nothing of what is allowed: rules,
// permission and meaning belong to catalog, account and settlement. It offers
// transactions over four groups of nouns:
//
//	Documents   everything small, as JSON under a kind and a key
//	Links       many, found by id, by slug and by search
//	Changes     the log, numbered without gaps in the order of commits
//	Books       how clicks become money, and entries that are only ever added
//
// # Transactions
//
// View sees one moment of the whole store, however long it takes; it neither
// waits for writers nor delays them. Update runs alone: what it reads cannot change
// under it. Its writes are visible to itself at once, and to others when it has
// returned nil; then they also survive the loss of power. When its function returns
// an error or panics, nothing of it remains, and the error is returned as it is.
// An Update started inside an Update of the same goroutine would wait for itself.
//
// Engines do not retry and never run the function twice. A transaction ends with
// the context it was opened with, and its Reader or Writer must not be used
// afterwards nor by two goroutines at once.
//
// # Errors
//
// What the caller can do something about is an affiliate.Error: NotFound for a
// thing that is not there, Conflict for a name that is taken, Unavailable for a
// lock that did not come free in time. A fault of the machine is a *Failure with
// place and remedy. Bytes handed out belong to the caller, bytes handed in are not kept.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Store is the control data.
type Store interface {
	View(ctx context.Context, fn func(r Reader) error) error
	Update(ctx context.Context, fn func(w Writer) error) error
	// Close waits for running transactions.
	Close() error
}

// Notifier is a Store that other processes write to as well, and that tells of it.
type Notifier interface {
	// Watch calls fn when changes may have been appended to the log that the caller has not seen: once it
	// listens, after each Update that appended some, whichever process it was of, and after a
	// connection was lost and is there again. Several Updates may lead to one call, and a call may mean
	// nothing new: fn asks Changes().Last. Calls do not overlap; fn may be slow and may use the store.
	// Watch returns when ctx ends, with its cause, or as Unavailable when the store is closed.
	Watch(ctx context.Context, fn func()) error
}

// Reader is what a View may do.
type Reader interface {
	Documents() DocumentReader
	Links() LinkReader
	Changes() ChangeReader
	Books() BooksReader
}

// Writer is what an Update may do; reading sees what it has written.
type Writer interface {
	Documents() Documents
	Links() Links
	Changes() Changes
	Books() Books
}

// Kind of a document.
type Kind string

// The kinds.
const (
	Site    Kind = "site"    // key: id
	Program Kind = "program" // key: id
	Partner Kind = "partner" // key: program/code
	User    Kind = "user"    // key: name
	Token   Kind = "token"   // key: hash of the secret
	Session Kind = "session" // key: hash of the secret
	Code    Kind = "code"    // key: hash of the code
	Setting Kind = "setting" // key: name
	Request Kind = "request" // key: actor and idempotency key
	Payout  Kind = "payout"  // key: program/id
	Rate    Kind = "rate"    // key: from/to/date
	// PayoutNews stands for a payout that conversions are still to learn of; key: as Payout.
	PayoutNews Kind = "payout_news"
	// Cap is a link's cap of clicks and whether it is reached; key: the link's id.
	Cap Kind = "cap"
	// Endpoint is where events are sent; key: webhook/id, or postback/program/partner.
	Endpoint Kind = "endpoint"
)

// Document is one small thing.
type Document struct {
	Key  string
	Body json.RawMessage
	// Expires is when Sweep may remove it; zero: never. It is still there to be
	// read until then, so readers look at the time themselves.
	Expires time.Time
}

// DocumentReader reads documents.
type DocumentReader interface {
	// Get returns a document, or NotFound.
	Get(kind Kind, key string) (Document, error)
	// List returns the documents whose key starts with prefix, by key in the
	// order of bytes.
	List(kind Kind, prefix string) ([]Document, error)
}

// Documents reads and writes documents.
type Documents interface {
	DocumentReader
	// Put creates or replaces a document.
	Put(kind Kind, doc Document) error
	// Delete removes a document, or NotFound.
	Delete(kind Kind, key string) error
	// Sweep removes every document that expires at or before now.
	Sweep(now time.Time) (removed int64, err error)
}

// Link is a link with its document, encoded once by the caller for the store and
// the log alike. The engine takes its search keys from the one and keeps the
// other; Find returns what the document says.
type Link struct {
	*affiliate.Link
	Body json.RawMessage
}

// LinkQuery chooses links. Empty fields choose all; the chosen must meet every
// field that is set.
type LinkQuery struct {
	Site    string
	Program string
	Partner string // code; Program must be set too
	Status  affiliate.Status
	Tag     string
	// Text is part of the slug, of any URL, of a tag, of the page or of the note.
	// Letter case is ignored.
	Text string
	// Before chooses ids below it; 0: all. For paging.
	Before int64
	// Limit ends the list; 0: no limit. Count ignores it.
	Limit int
	// Ascending lists by id upwards; otherwise downwards, newest first.
	Ascending bool
}

// LinkReader finds links.
type LinkReader interface {
	// Get returns a link, or NotFound.
	Get(id int64) (affiliate.Link, error)
	// BySlug returns the link of a site with a canonical slug, or NotFound.
	BySlug(site, slug string) (affiliate.Link, error)
	// Find streams the chosen links; an error of fn ends it and is returned. fn
	// may call other methods of the transaction.
	Find(query LinkQuery, fn func(affiliate.Link) error) error
	// Count counts the chosen links.
	Count(query LinkQuery) (int64, error)
}

// Links finds and changes links.
type Links interface {
	LinkReader
	// Reserve takes n consecutive ids, of which it returns the first. Ids start
	// at 1 and grow; what a committed transaction has reserved is never given
	// again, even after the link is deleted.
	Reserve(n int) (first int64, err error)
	// Insert adds links with reserved ids. Those whose slug is taken on their site,
	// by the store or by an earlier link of the batch, are left out and
	// returned by their place in the batch, in order.
	Insert(batch []Link) (taken []int, err error)
	// Replace puts a link in the place of the one with its id: NotFound, or
	// Conflict when its slug belongs to another link of the site.
	Replace(link Link) error
	// Delete removes a link, or NotFound.
	Delete(id int64) error
}

// Change is one entry of the log. Before and After are documents; one is empty
// when the thing was created or deleted.
type Change struct {
	Seq    int64           `json:"seq"`
	At     time.Time       `json:"at"` // kept to the millisecond
	Actor  string          `json:"actor"`
	Kind   string          `json:"kind"`
	Action string          `json:"action"`
	Key    string          `json:"key"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// ChangeQuery chooses changes.
type ChangeQuery struct {
	After  int64  // chooses numbers above it
	Before int64  // chooses numbers below it; 0: all
	Kind   string // "": all
	Key    string // with Kind; "": all
	Limit  int    // must be set
	// Newest lists downwards from the newest; otherwise upwards from the oldest.
	Newest bool
}

// ChangeReader reads the log.
type ChangeReader interface {
	Find(query ChangeQuery) ([]Change, error)
	// Last returns the highest number given; 0 for an empty log.
	Last() (int64, error)
}

// Changes reads the log and adds to it.
type Changes interface {
	ChangeReader
	// Append numbers the changes, in Seq, by one more each than the last one
	// committed, and adds them. Numbers of a transaction that did not commit are
	// given again.
	Append(changes []Change) error
}

// Failure is a fault of the machine: what failed, where, and what to do.
type Failure struct {
	Place string // file or address
	Err   error  // wraps one of the reasons below where it is known
	Hint  string // what to do; may be empty
}

func (f *Failure) Error() string {
	text := f.Place + ": " + f.Err.Error()
	if f.Hint != "" {
		text += "; " + f.Hint
	}
	return text
}

func (f *Failure) Unwrap() error { return f.Err }

// Reasons of a Failure.
var (
	ErrInUse    = errors.New("it is in use by another process")
	ErrNewer    = errors.New("it was written by a newer version of Sluice")
	ErrCorrupt  = errors.New("it is damaged")
	ErrReadOnly = errors.New("it cannot be written")
	ErrFull     = errors.New("there is no space left on the disk")
	ErrMissing  = errors.New("it does not exist")
	// ErrUnreachable is of a server: it does not answer, or no longer.
	ErrUnreachable = errors.New("it cannot be reached")
	// ErrUncertain is of an Update whose end nobody knows: it may have been stored or not.
	ErrUncertain = errors.New("nobody knows whether the change was stored")
)
