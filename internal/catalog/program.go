package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// CreateProgram is Catalog.CreateProgram.
func (e *Edit) CreateProgram(program affiliate.Program) (affiliate.Program, error) {
	if err := e.operator("programs"); err != nil {
		return affiliate.Program{}, err
	}
	program.Version = 1
	if err := checkProgram(&program); err != nil {
		return affiliate.Program{}, err
	}
	if err := e.free(store.Program, program.ID, fmt.Sprintf("the program %q", program.ID)); err != nil {
		return affiliate.Program{}, err
	}
	e.around.programs[program.ID] = &program
	return program, e.put(store.Program, program.ID, nil, program)
}

// UpdateProgram is Catalog.UpdateProgram.
func (e *Edit) UpdateProgram(program affiliate.Program, ifVersion int64) (affiliate.Program, error) {
	if err := e.operator("programs"); err != nil {
		return affiliate.Program{}, err
	}
	var before affiliate.Program
	if err := read(e.w.Documents(), store.Program, strings.ToLower(strings.TrimSpace(program.ID)), &before); err != nil {
		return affiliate.Program{}, err
	}
	what := fmt.Sprintf("the program %q", before.ID)
	if err := fresh(what, before.Version, ifVersion); err != nil {
		return affiliate.Program{}, err
	}
	program.Version = before.Version
	if err := checkProgram(&program); err != nil {
		return affiliate.Program{}, err
	}
	if same(before, program) {
		return before, nil
	}
	if err := before.Settlement.CanBecome(program.Settlement, e.now); err != nil {
		return affiliate.Program{}, err
	}
	matters := linksDependOn(before, program)
	if matters {
		if err := e.keepsLegal(what, store.LinkQuery{Program: program.ID}, surroundedBy{program: &program}); err != nil {
			return affiliate.Program{}, err
		}
	}
	program.Version++
	e.around.programs[program.ID] = &program
	if err := e.put(store.Program, program.ID, before, program); err != nil || !matters {
		return program, err
	}
	return program, e.fail(e.recompile(program.ID))
}

// linksDependOn says whether links of a program lead elsewhere when it changes.
func linksDependOn(before, after affiliate.Program) bool {
	after.Version = before.Version
	after.Name, after.Merchant, after.Side, after.Settlement = before.Name, before.Merchant, before.Side, before.Settlement
	return !same(before, after)
}

// recompile has the links of a program published again.
func (e *Edit) recompile(program string) error {
	query := store.LinkQuery{Program: program, Ascending: true}
	n, err := e.w.Links().Count(query)
	if err != nil {
		return err
	}
	if n > ReloadAbove {
		e.reload = true
		return nil
	}
	seq := e.last
	return e.w.Links().Find(query, func(l affiliate.Link) error {
		e.notice(Change{Seq: seq, At: e.now, Actor: e.actor.Name, Kind: KindLink, Action: ActionRecompile, Key: linkKey(l.ID), After: encode(l)})
		return nil
	})
}

// DeleteProgram is Catalog.DeleteProgram.
func (e *Edit) DeleteProgram(id string, ifVersion int64) error {
	if err := e.operator("programs"); err != nil {
		return err
	}
	var program affiliate.Program
	if err := read(e.w.Documents(), store.Program, id, &program); err != nil {
		return err
	}
	what := fmt.Sprintf("the program %q", id)
	if err := fresh(what, program.Version, ifVersion); err != nil {
		return err
	}
	if err := e.unused(what, store.LinkQuery{Program: id}); err != nil {
		return err
	}
	partners, err := e.w.Documents().List(store.Partner, partnersOf(id))
	if err != nil {
		return err
	}
	if len(partners) > 0 {
		return affiliate.Errorf(affiliate.Conflict, "%s still has %d partners, %s first; delete them, or set its status to archived",
			what, len(partners), strings.TrimPrefix(partners[0].Key, partnersOf(id)))
	}
	if err := e.nothingBooked(what, id, ""); err != nil {
		return err
	}
	e.around.programs[id] = nil
	return e.remove(store.Program, id, program)
}

// checkProgram normalises a program and holds it against its rules.
func checkProgram(program *affiliate.Program) error {
	if program.DeepLink != nil {
		own := *program.DeepLink
		own.Hosts = slices.Clone(own.Hosts)
		program.DeepLink = &own
	}
	program.Normalize()
	return program.Validate()
}

// CreatePartner is Catalog.CreatePartner.
func (e *Edit) CreatePartner(partner affiliate.Partner) (affiliate.Partner, error) {
	if err := e.operator("partners"); err != nil {
		return affiliate.Partner{}, err
	}
	partner.Version = 1
	partner.Normalize()
	if err := partner.Validate(); err != nil {
		return affiliate.Partner{}, err
	}
	program, err := e.around.program(partner.Program)
	if err != nil {
		return affiliate.Partner{}, err
	}
	if program == nil {
		return affiliate.Partner{}, invalid(fmt.Sprintf("the partner %q is not valid", partner.Code), "program", "there is no program %q; create it first", partner.Program)
	}
	key := partnerKey(partner.Program, partner.Code)
	if err := e.free(store.Partner, key, fmt.Sprintf("the partner %q of the program %q", partner.Code, partner.Program)); err != nil {
		return affiliate.Partner{}, err
	}
	if err := e.couponsAreFree(&partner, nil); err != nil {
		return affiliate.Partner{}, err
	}
	e.around.partners[key] = true
	return partner, e.put(store.Partner, key, nil, partner)
}

// UpdatePartner is Catalog.UpdatePartner.
func (e *Edit) UpdatePartner(partner affiliate.Partner, ifVersion int64) (affiliate.Partner, error) {
	if err := e.operator("partners"); err != nil {
		return affiliate.Partner{}, err
	}
	partner.Normalize()
	key := partnerKey(partner.Program, partner.Code)
	var before affiliate.Partner
	if err := read(e.w.Documents(), store.Partner, key, &before); err != nil {
		return affiliate.Partner{}, err
	}
	if err := fresh(fmt.Sprintf("the partner %q", partner.Code), before.Version, ifVersion); err != nil {
		return affiliate.Partner{}, err
	}
	if err := partner.Validate(); err != nil {
		return affiliate.Partner{}, err
	}
	partner.Version = before.Version
	if same(before, partner) {
		return before, nil
	}
	if err := before.CanBecome(&partner, e.now); err != nil {
		return affiliate.Partner{}, err
	}
	if err := e.couponsAreFree(&partner, before.Coupons); err != nil {
		return affiliate.Partner{}, err
	}
	partner.Version++
	return partner, e.put(store.Partner, key, before, partner)
}

// couponsAreFree refuses a coupon that credits another partner of the program: whose
// would its orders be? Those that the partner has already need no look at all the others.
func (e *Edit) couponsAreFree(partner *affiliate.Partner, already []string) error {
	if !slices.ContainsFunc(partner.Coupons, func(c string) bool { return !slices.Contains(already, c) }) {
		return nil
	}
	docs, err := e.w.Documents().List(store.Partner, partnersOf(partner.Program))
	if err != nil {
		return err
	}
	for _, doc := range docs {
		var other affiliate.Partner
		if err := decode(store.Partner, doc, &other); err != nil {
			return err
		}
		for _, c := range partner.Coupons {
			if other.Code != partner.Code && slices.Contains(other.Coupons, c) {
				return affiliate.Errorf(affiliate.Conflict, "the coupon %q is the partner %q's of the program %q; take it from one of them", c, other.Code, other.Program)
			}
		}
	}
	return nil
}

// DeletePartner is Catalog.DeletePartner.
func (e *Edit) DeletePartner(program, code string, ifVersion int64) error {
	if err := e.operator("partners"); err != nil {
		return err
	}
	key := partnerKey(program, code)
	var partner affiliate.Partner
	if err := read(e.w.Documents(), store.Partner, key, &partner); err != nil {
		return err
	}
	what := fmt.Sprintf("the partner %q", code)
	if err := fresh(what, partner.Version, ifVersion); err != nil {
		return err
	}
	if err := e.unused(what, store.LinkQuery{Program: program, Partner: code}); err != nil {
		return err
	}
	if err := e.nothingBooked(what, program, code); err != nil {
		return err
	}
	if err := e.forget(store.Endpoint, "postback/"+key); err != nil {
		return err
	}
	e.around.partners[key] = false
	return e.remove(store.Partner, key, partner)
}
