package affiliate

import (
	"reflect"
	"slices"
	"time"
)

// Side says who pays whom in a program.
type Side string

// The sides.
const (
	Earns Side = "earns" // the merchant or network pays us; the default
	Pays  Side = "pays"  // we are the merchant and pay partners
)

// Valid says that it is one of the sides; "" is none.
func (s Side) Valid() bool { return s == Earns || s == Pays }

// Settlement is how a program's clicks become money. docs/settlement.md states every
// rule with an example.
type Settlement struct {
	Currency Currency `json:"currency"`
	// Terms are versions by From, ascending. What a click was promised never changes; see
	// CanBecome.
	Terms       []CommissionTerms `json:"terms"`
	Attribution Attribution       `json:"attribution,omitzero"`
	Duplicates  DuplicateMode     `json:"duplicates,omitempty"`
	// MinimumPayout in minor units; below it a balance waits for the next payout.
	MinimumPayout int64 `json:"minimum_payout,omitempty"`
	// Confirm asks for a second person before a payout.
	Confirm bool `json:"confirm,omitempty"`
	// StaticToken lets the token in a postback's address be enough, without a signature.
	StaticToken bool `json:"static_token,omitempty"`
	// TokenVersion is raised to make the program's tokens and secret worthless.
	TokenVersion int `json:"token_version,omitempty"`
}

// TermsAt returns the version in force at t; none is when t lies before the first.
func (s *Settlement) TermsAt(t time.Time) (*CommissionTerms, bool) {
	if s == nil {
		return nil, false
	}
	return termsAt(s.Terms, t)
}

// termsAt is the last of the versions that began at or before t.
func termsAt(versions []CommissionTerms, t time.Time) (*CommissionTerms, bool) {
	later, _ := slices.BinarySearchFunc(versions, t, func(v CommissionTerms, t time.Time) int {
		if v.From.After(t) {
			return 1
		}
		return -1
	})
	if later == 0 {
		return nil, false
	}
	return &versions[later-1], true
}

// CanBecome says whether a settlement may be replaced by next at a moment; both are
// normalised, and nil is none. The first settlement of a program may begin in the past. From
// then on the past is fixed: the versions that began before now stay, new ones begin
// now or later, the currency stays, and the whole cannot be taken away. Versions that have
// yet to begin may be changed.
func (s *Settlement) CanBecome(next *Settlement, now time.Time) error {
	if s == nil {
		return nil
	}
	const what = "the settlement cannot be changed so"
	var fs faults
	if next == nil {
		fs.add("settlement", "it cannot be removed: clicks were promised its terms. Send it along, or set the program's status to archived")
		return fs.err(what)
	}
	if next.Currency != s.Currency {
		fs.add("settlement.currency", "it cannot change from %s to %s once there are terms; make another program", s.Currency, clip(string(next.Currency), 20))
	}
	termsChangeFaults(&fs, "settlement.terms", s.Terms, next.Terms, now)
	return fs.err(what)
}

// termsChangeFaults tells what a list of versions would change of the past.
func termsChangeFaults(fs *faults, field string, old, next []CommissionTerms, now time.Time) {
	for i := range next {
		v := &next[i]
		before := versionFrom(old, v.From)
		switch {
		case !v.From.Before(now):
		case before == nil:
			fs.add(index(field, i)+".from", "terms cannot be added for the past: %s is before now (%s)", since(v.From), now.UTC().Format(time.RFC3339))
		case !before.same(v):
			fs.add(index(field, i), "the terms from %s are in force already and cannot change; add terms that begin later", since(v.From))
		}
	}
	for i := range old {
		if v := &old[i]; v.From.Before(now) && versionFrom(next, v.From) == nil {
			fs.add(field, "the terms from %s are missing; they are in force already and cannot be removed", since(v.From))
		}
	}
}

func versionFrom(versions []CommissionTerms, from time.Time) *CommissionTerms {
	i := slices.IndexFunc(versions, func(v CommissionTerms) bool { return v.From.Equal(from) })
	if i < 0 {
		return nil
	}
	return &versions[i]
}

// same compares normalised terms; only their moments have more than one form.
func (t *CommissionTerms) same(u *CommissionTerms) bool {
	a, b := *t, *u
	a.From, b.From = time.Time{}, time.Time{}
	return t.From.Equal(u.From) && reflect.DeepEqual(a, b)
}

// since is a moment in words.
func since(t time.Time) string {
	if t.IsZero() {
		return "the beginning"
	}
	return t.UTC().Format(time.RFC3339)
}

// CommissionTerms are what is paid for clicks from a moment on.
type CommissionTerms struct {
	// From is a whole second in UTC; zero: since ever.
	From  time.Time `json:"from,omitzero"`
	Rates []Rate    `json:"rates,omitempty"` // the first that fits; none: nothing is earned
	// HoldDays are the days from the order until a commission may be approved.
	HoldDays int `json:"hold_days,omitempty"`
	// LockDay, 1 to 28, approves at the begin of that day (UTC) of the month after the one in which the
	// hold ends; 0 approves when the hold ends.
	LockDay int `json:"lock_day,omitempty"`
	// Manual approves nothing by itself: the merchant or a person does.
	Manual bool `json:"manual,omitempty"`
}

// Rate is what one kind of order earns. Percent and Fixed are added up. Event and
// Category are compared as they are written.
type Rate struct {
	Event    string     `json:"event,omitempty"`    // "": any
	Category string     `json:"category,omitempty"` // "": any
	Customer Customer   `json:"customer,omitempty"` // "": any
	Percent  Percentage `json:"percent,omitempty"`
	Fixed    int64      `json:"fixed,omitempty"` // minor units a conversion
	// Tiers replace Percent and Fixed from a partner's volume of the month on; by From, ascending.
	Tiers []Tier `json:"tiers,omitempty"`
	// Cap is the most that one conversion earns, in minor units; 0: no cap.
	Cap int64 `json:"cap,omitempty"`
	// Orders is how many orders of a customer are paid; 0: all.
	Orders int `json:"orders,omitempty"`
}

// Customer restricts a rate to new or to known customers of the merchant.
type Customer string

// The customers.
const (
	AnyCustomer       Customer = ""
	NewCustomer       Customer = "new"
	ReturningCustomer Customer = "returning"
)

// Valid says that it is one of the customers.
func (c Customer) Valid() bool { return c == AnyCustomer || c == NewCustomer || c == ReturningCustomer }

// Tier is what is paid from a volume on.
type Tier struct {
	From    int64      `json:"from"` // minor units of orders of this calendar month (UTC), before this one
	Percent Percentage `json:"percent,omitempty"`
	Fixed   int64      `json:"fixed,omitempty"`
}

// Attribution says whose click an order is.
type Attribution struct {
	Model Model `json:"model,omitempty"`
	// WindowDays are the days that a click counts for; 30 by default.
	WindowDays int `json:"window_days,omitempty"`
	// HalfLifeDays of Decay; 7 by default.
	HalfLifeDays int `json:"half_life_days,omitempty"`
	// CouponFirst lets a partner's coupon win over clicks.
	CouponFirst bool `json:"coupon_first,omitempty"`
}

// Model is a rule of attribution.
type Model string

// The models.
const (
	LastClick     Model = "last" // the default
	FirstClick    Model = "first"
	Linear        Model = "linear"
	Decay         Model = "decay"
	PositionBased Model = "position"
)

// Models are all of them.
var Models = []Model{LastClick, FirstClick, Linear, Decay, PositionBased}

// Valid says that it is one of Models.
func (m Model) Valid() bool { return slices.Contains(Models, m) }

// DuplicateMode says what a second report of a transaction is.
type DuplicateMode string

// The modes. "First" and "latest" go by the reports' own time, then by arrival.
const (
	RejectDuplicates DuplicateMode = "reject"    // the first report counts; the default
	AcceptNew        DuplicateMode = "new"       // each is an order of its own
	AcceptFlagged    DuplicateMode = "flag"      // the same, held for a person
	Overwrite        DuplicateMode = "overwrite" // the latest status and amount
	AddUp            DuplicateMode = "add"       // the amounts are added
	ByEvent          DuplicateMode = "by_event"  // one for each event
)

// DuplicateModes are all of them.
var DuplicateModes = []DuplicateMode{RejectDuplicates, AcceptNew, AcceptFlagged, Overwrite, AddUp, ByEvent}

// Valid says that it is one of DuplicateModes.
func (d DuplicateMode) Valid() bool { return slices.Contains(DuplicateModes, d) }
