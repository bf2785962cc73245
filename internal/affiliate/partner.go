package affiliate

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Partner is somebody who sends visitors to a program that we pay.
type Partner struct {
	Program string `json:"program"`
	Code    string `json:"code"`
	Name    string `json:"name,omitempty"`
	Status  Status `json:"status,omitempty"`
	// Coupons are codes of the shop that credit the partner, in the form of CanonicalCoupon.
	Coupons []string `json:"coupons,omitempty"`
	// Terms of the partner's own come before the program's. From the first of them on, the
	// program's apply to the partner no more.
	Terms   []CommissionTerms `json:"terms,omitempty"`
	Method  *PayoutMethod     `json:"payout_method,omitempty"`
	Version int64             `json:"version,omitempty"`
}

// Limits of one partner.
const (
	CouponsMax          = 100
	CouponCharactersMax = 40
)

// Normalize fills in defaults and canonical spellings. It changes nothing that other
// copies of the partner share.
func (p *Partner) Normalize() {
	p.Program = strings.ToLower(strings.TrimSpace(p.Program))
	p.Code = strings.ToLower(strings.TrimSpace(p.Code))
	if p.Status == "" {
		p.Status = Active
	}
	var coupons []string
	for _, c := range p.Coupons {
		coupons = append(coupons, CanonicalCoupon(c))
	}
	p.Coupons = coupons
	p.Terms = normalizedTerms(p.Terms)
	p.Method = p.Method.normalized()
}

// Validate reports every field at fault of a normalised partner.
func (p *Partner) Validate() error {
	var fs faults
	handleFault(&fs, "program", p.Program)
	handleFault(&fs, "code", p.Code)
	if p.Code != "" && !isAlnum(p.Code[len(p.Code)-1]) {
		fs.add("code", "%q must end in a letter or a digit: other endings are cut from requested names", clip(p.Code, 64))
	}
	if !p.Status.valid() {
		fs.add("status", "%q is not one of active, paused, archived", p.Status)
	}
	p.couponFaults(&fs)
	validateTerms(&fs, "terms", p.Terms)
	p.Method.validate(&fs, "payout_method")
	return fs.err("the partner " + quote(p.Code) + " is not valid")
}

// TermsAt returns the partner's own terms in force at t; without any, the program's
// apply.
func (p *Partner) TermsAt(t time.Time) (*CommissionTerms, bool) {
	if p == nil {
		return nil, false
	}
	return termsAt(p.Terms, t)
}

// CanBecome says whether a partner may be replaced by next at a moment; both are
// normalised. Its own terms follow Settlement.CanBecome, and the first of them may not
// begin in the past either: until now the program's were promised.
func (p *Partner) CanBecome(next *Partner, now time.Time) error {
	var fs faults
	termsChangeFaults(&fs, "terms", p.Terms, next.Terms, now)
	return fs.err("the terms of the partner " + quote(p.Code) + " cannot be changed so")
}

// CanonicalCoupon is the form in which coupons are compared: upper case, in Unicode NFC,
// without space around it.
func CanonicalCoupon(s string) string {
	return norm.NFC.String(strings.ToUpper(strings.TrimSpace(s)))
}

func (p *Partner) couponFaults(fs *faults) {
	if len(p.Coupons) > CouponsMax {
		fs.add("coupons", "%d coupons; at most %d", len(p.Coupons), CouponsMax)
		return
	}
	for i, c := range p.Coupons {
		at := index("coupons", i)
		switch {
		case c == "" || utf8.RuneCountInString(c) > CouponCharactersMax:
			fs.add(at, "%q does not have 1 to %d characters", clip(c, 80), CouponCharactersMax)
		case !utf8.ValidString(c) || strings.IndexFunc(c, func(r rune) bool { return !isCouponText(r) }) >= 0:
			fs.add(at, "%q may contain letters, digits, - and _", clip(c, 80))
		case slices.Contains(p.Coupons[:i], c):
			fs.add(at, "%q is there twice; letter case is ignored", c)
		}
	}
}

func isCouponText(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_'
}
