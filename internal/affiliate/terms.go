package affiliate

import "time"

// Side says who pays whom in a program.
type Side string

// The sides.
const (
	Earns Side = "earns" // the merchant or network pays us; the default
	Pays  Side = "pays"  // we are the merchant and pay partners
)

// Settlement is how a program's clicks become money. docs/settlement.md states every
// rule with an example.
type Settlement struct {
	Currency Currency `json:"currency"`
	// Terms are versions by From, ascending. They are only ever added to: what a click
	// was promised never changes.
	Terms       []CommissionTerms `json:"terms"`
	Attribution Attribution       `json:"attribution,omitzero"`
	Duplicates  DuplicateMode     `json:"duplicates,omitempty"`
	// MinimumPayout in minor units; below it a balance waits for the next payout.
	MinimumPayout int64 `json:"minimum_payout,omitempty"`
	// Confirm asks for a second person before a payout.
	Confirm bool `json:"confirm,omitempty"`
}

// CommissionTerms are what is paid for clicks from a moment on.
type CommissionTerms struct {
	From  time.Time `json:"from"`
	Rates []Rate    `json:"rates"` // the first that fits
	// HoldDays are the days from the order until a commission may be approved.
	HoldDays int `json:"hold_days,omitempty"`
	// LockDay, 1 to 28, approves at the begin of that day (UTC) of the month after the one in which the
	// hold ends; 0 approves when the hold ends.
	LockDay int `json:"lock_day,omitempty"`
	// Manual approves nothing by itself: the merchant or a person does.
	Manual bool `json:"manual,omitempty"`
}

// Rate is what one kind of order earns. Percent and Fixed are added up.
type Rate struct {
	Event    string     `json:"event,omitempty"`    // "": any
	Category string     `json:"category,omitempty"` // "": any
	First    Customer   `json:"customer,omitempty"` // "": any
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
