package sim

// Faults are what the settlement is known to do wrong, or in another way than the
// simulation expects. It steers around one that is false here; a run with it set shows it. A row
// goes when its fault is mended.
type Faults struct {
	// LateClick: an order that was matched by other touches or a coupon, and names a click that
	// becomes known later and does not count, does not get that visitor's other touches.
	LateClick bool
	// OtherCoupon: reports of one transaction that name coupons of several partners, in the modes
	// that know several orders.
	OtherCoupon bool
	// Nonce: in mode flag, reports that differ by their nonce alone are one.
	Nonce bool
}
