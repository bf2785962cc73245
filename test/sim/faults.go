package sim

// Faults are what the settlement is known to do wrong. The simulation steers around one
// that is false here; a run with it set shows it. A row goes when its fault is mended.
type Faults struct {
	// LateClick: an order that was matched by other touches or a coupon is not looked at
	// again when the click that it names becomes known.
	LateClick bool
	// ManyPaths: orders of one transaction that name different clicks share their
	// touches, or not, by the order of their arrival.
	ManyPaths bool
	// RateImport: the same report in another currency is a new one when a rate was
	// imported in between.
	RateImport bool
	// SameAmount: two reports that say the same at different times are one, such as
	// two returns of the same price.
	SameAmount bool
	// OtherCoupon: of two coupons the one that arrives first counts, not the earlier.
	OtherCoupon bool
	// NoEvent: a reversal of everything, then an event, then a report without an event.
	NoEvent bool
	// Nonce: in mode flag, reports that differ by their nonce alone.
	Nonce bool
	// History: tiers and orders of a customer are counted again whenever a conversion is
	// settled, so its explanation differs from what was posted.
	History bool
	// OutOfWindow: in model last, an order that names a click outside the window does not
	// get the visitor's other touches.
	OutOfWindow bool
	// SecondLook: the click of a report that comes a week after the first of its transaction is
	// looked for once, and not again when it was not known then; nor is that of an
	// order that was reversed before, and came back by a person or a report.
	SecondLook bool
}
