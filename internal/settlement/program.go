package settlement

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// programs reads programs and their partners, each once in a transaction.
type programs struct {
	documents store.DocumentReader
	known     map[string]*affiliate.Program
	partners  map[string][]affiliate.Partner
}

// get returns a program that has a settlement.
func (p *programs) get(id string) (*affiliate.Program, error) {
	if known := p.known[id]; known != nil {
		return known, nil
	}
	d, err := p.documents.Get(store.Program, id)
	if err != nil {
		return nil, err
	}
	program := new(affiliate.Program)
	if err := json.Unmarshal(d.Body, program); err != nil {
		return nil, fmt.Errorf("the stored program %q: %w", id, err)
	}
	if program.Settlement == nil {
		return nil, affiliate.Errorf(affiliate.NotFound, "the program %q has no settlement; give it a currency and terms first", id)
	}
	if p.known == nil {
		p.known = map[string]*affiliate.Program{}
	}
	p.known[id] = program
	return program, nil
}

// of returns the partners of a program.
func (p *programs) of(program string) ([]affiliate.Partner, error) {
	if known, ok := p.partners[program]; ok {
		return known, nil
	}
	documents, err := p.documents.List(store.Partner, program+"/")
	if err != nil {
		return nil, err
	}
	partners := make([]affiliate.Partner, len(documents))
	for i, d := range documents {
		if err := json.Unmarshal(d.Body, &partners[i]); err != nil {
			return nil, fmt.Errorf("the stored partner %q: %w", d.Key, err)
		}
	}
	if p.partners == nil {
		p.partners = map[string][]affiliate.Partner{}
	}
	p.partners[program] = partners
	return partners, nil
}

// owner returns the partner of a coupon, "" for none.
func (p *programs) owner(program, coupon string) (string, error) {
	if coupon == "" {
		return "", nil
	}
	partners, err := p.of(program)
	if err != nil {
		return "", err
	}
	coupon = affiliate.CanonicalCoupon(coupon)
	for _, partner := range partners {
		if slices.Contains(partner.Coupons, coupon) && partner.Status == affiliate.Active {
			return partner.Code, nil
		}
	}
	return "", nil
}

// terms returns the own terms of partners.
func (p *programs) terms(program string) (map[string][]affiliate.CommissionTerms, error) {
	partners, err := p.of(program)
	if err != nil {
		return nil, err
	}
	own := map[string][]affiliate.CommissionTerms{}
	for _, partner := range partners {
		if len(partner.Terms) > 0 {
			own[partner.Code] = partner.Terms
		}
	}
	return own, nil
}

// digest tells a report from others, as it came, before amounts are converted. Two that say
// the same of a transaction are one, however they were sent; those that name different times are
// two. Where each report is an order or adds to one, different nonces make two as well.
func digest(r *affiliate.Report, mode affiliate.DuplicateMode) string {
	said := *r
	said.ID, said.Original, said.Source, said.Rate, said.Taken = "", "", "", nil, time.Time{}
	if mode != affiliate.AcceptNew && mode != affiliate.AddUp {
		said.Nonce = ""
	}
	return name("report", said)
}

// name derives an id from what makes something what it is.
func name(kind string, of any) string {
	text, err := json.Marshal(of)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	sum := sha256.Sum256(append([]byte(kind+"\n"), text...))
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:15]))
}
