// Package webhook tells others what happens in the books: the operator's own systems by
// webhooks that follow the Standard Webhooks specification, partners by postbacks, which
// are URLs with macros.
//
//	change ─► Events ─► outbox, in the change's own transaction
//	                       └─► Courier ─► POST, signed │ GET
//	                              ├─ 2xx   done
//	                              ├─ 410   the endpoint is disabled
//	                              └─ else  later, in the end a dead letter
//
// What it promises. Events is pure and names messages after what happened, so a
// transaction that is tried again sends nothing anew. A message is delivered at least once:
// it leaves the outbox after the receiver has answered. When nobody crashes it is delivered
// once. No order is promised; each message carries the revision of what it tells of.
//
// URLs are written by users, so the Courier speaks for them to nobody whom they could not
// reach themselves: each address is checked after it was resolved, and no redirect is
// followed. What a receiver answers is bounded in size and time.
//
// What it leaves to others: to call Events and Enqueue where the books change, and to decide
// who may edit endpoints. docs/webhooks.md is written for receivers.
package webhook

import "slices"

// Type of an event.
type Type string

// The types.
const (
	ConversionCreated  Type = "conversion.created"  // an order is credited
	ConversionApproved Type = "conversion.approved" // its commission is locked
	ConversionReversed Type = "conversion.reversed" // nothing of it is left
	ConversionChanged  Type = "conversion.changed"  // anything else that can be seen in it
	PayoutSent         Type = "payout.sent"
	PayoutUndone       Type = "payout.undone"
)

// ConversionTypes are those that partners can be told of by postbacks.
var ConversionTypes = []Type{ConversionCreated, ConversionApproved, ConversionReversed, ConversionChanged}

// Types are all of them.
var Types = append(slices.Clone(ConversionTypes), PayoutSent, PayoutUndone)

// The kinds of messages in the outbox that are ours. Their target is the key of a
// document of the kind store.Endpoint.
const (
	KindWebhook  = "webhook"  // its body is sent as it is
	KindPostback = "postback" // its body is the values of macros
)
