package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// CreateLink is Catalog.CreateLink.
func (e *Edit) CreateLink(link affiliate.Link) (affiliate.Link, Warnings, error) {
	link = ownCopy(link)
	warnings, err := e.checkLink(&link)
	if err != nil {
		return affiliate.Link{}, nil, err
	}
	id, err := e.w.Links().Reserve(1)
	if err != nil {
		return affiliate.Link{}, nil, err
	}
	e.newborn(&link, id)
	body := encode(link)
	taken, err := e.w.Links().Insert([]store.Link{{Link: &link, Body: body}})
	if err != nil {
		return affiliate.Link{}, nil, e.fail(err)
	}
	if len(taken) > 0 {
		return affiliate.Link{}, nil, e.takenName(&link)
	}
	return link, warnings, e.record(Change{Kind: KindLink, Action: ActionCreate, Key: linkKey(id), After: body})
}

// newborn sets what the catalog decides of a new link.
func (e *Edit) newborn(link *affiliate.Link, id int64) {
	link.ID, link.Version, link.CreatedAt, link.UpdatedAt = id, 1, e.now, e.now
}

func (e *Edit) takenName(link *affiliate.Link) error {
	other, err := e.w.Links().BySlug(link.Site, link.Slug)
	if err != nil {
		return err
	}
	return affiliate.Errorf(affiliate.Conflict, "the name %q is taken on the site %q, by link %d", link.Slug, link.Site, other.ID)
}

// UpdateLink is Catalog.UpdateLink.
func (e *Edit) UpdateLink(link affiliate.Link, ifVersion int64) (affiliate.Link, Warnings, error) {
	before, err := e.w.Links().Get(link.ID)
	if err != nil {
		return affiliate.Link{}, nil, err
	}
	if err := fresh(fmt.Sprintf("the link %d", link.ID), before.Version, ifVersion); err != nil {
		return affiliate.Link{}, nil, err
	}
	after, _, warnings, err := e.replaceLink(before, ownCopy(link))
	return after, warnings, err
}

// replaceLink puts a link in the place of the one that is there.
func (e *Edit) replaceLink(before, link affiliate.Link) (after affiliate.Link, changed bool, warnings Warnings, err error) {
	if link.Site == "" {
		link.Site = before.Site
	}
	if warnings, err = e.checkLink(&link); err != nil {
		return affiliate.Link{}, false, nil, err
	}
	link.ID, link.Version, link.CreatedAt, link.UpdatedAt = before.ID, before.Version, before.CreatedAt, before.UpdatedAt
	old := encode(before)
	if string(encode(link)) == string(old) {
		return before, false, warnings, nil
	}
	link.Version++
	link.UpdatedAt = e.now
	body := encode(link)
	if err := e.w.Links().Replace(store.Link{Link: &link, Body: body}); err != nil {
		if affiliate.CodeOf(err) == "" {
			e.fail(err)
		}
		return affiliate.Link{}, false, nil, err
	}
	return link, true, warnings, e.record(Change{Kind: KindLink, Action: ActionUpdate, Key: linkKey(link.ID), Before: old, After: body})
}

// DeleteLink is Catalog.DeleteLink.
func (e *Edit) DeleteLink(id int64, ifVersion int64) error {
	before, err := e.w.Links().Get(id)
	if err != nil {
		return err
	}
	if err := fresh(fmt.Sprintf("the link %d", id), before.Version, ifVersion); err != nil {
		return err
	}
	if err := e.w.Links().Delete(id); err != nil {
		return e.fail(err)
	}
	return e.record(Change{Kind: KindLink, Action: ActionDelete, Key: linkKey(id), Before: encode(before)})
}

func linkKey(id int64) string { return strconv.FormatInt(id, 10) }

// checkLink normalises a link and holds it against the rules and what is around it.
func (e *Edit) checkLink(link *affiliate.Link) (warnings Warnings, err error) {
	link.Normalize()
	link.Site = strings.ToLower(strings.TrimSpace(link.Site))
	if link.Site == "" {
		if link.Site, err = e.onlySite(); err != nil {
			return nil, err
		}
	}
	site, err := e.site(link.Site)
	if err != nil {
		return nil, err
	}
	if site == nil {
		docs, err := e.w.Documents().List(store.Site, "")
		if err != nil {
			return nil, err
		}
		return nil, invalid(fmt.Sprintf("the link %q is not valid", link.Slug), "site", "there is no site %q; there are: %s", link.Site, keys(docs))
	}
	in := affiliate.Surroundings{Site: *site, Operator: e.actor.Operator}
	if link.Program != "" {
		if in.Program, err = e.program(link.Program); err != nil {
			return nil, err
		}
	}
	if warnings, err = link.Validate(in); err != nil || link.Partner == "" {
		return warnings, err
	}
	known, err := e.partner(partnerKey(link.Program, link.Partner))
	if err == nil && !known {
		err = invalid(fmt.Sprintf("the link %q is not valid", link.Slug), "partner", "the program %q has no partner %q; create it first", link.Program, link.Partner)
	}
	return warnings, err
}

// onlySite looks the only site up once; creating or deleting a site forgets it.
func (e *Edit) onlySite() (id string, err error) {
	if e.only == "" {
		e.only, err = onlySite(e.w.Documents())
	}
	return e.only, err
}

func (e *Edit) site(id string) (*affiliate.Site, error) { return known(e, e.sites, store.Site, id) }
func (e *Edit) program(id string) (*affiliate.Program, error) {
	return known(e, e.programs, store.Program, id)
}

// known looks a document up once per edit; nil means that there is none.
func known[T any](e *Edit, cache map[string]*T, kind store.Kind, id string) (*T, error) {
	if v, ok := cache[id]; ok {
		return v, nil
	}
	v := new(T)
	switch err := read(e.w.Documents(), kind, id, v); affiliate.CodeOf(err) {
	case affiliate.NotFound:
		v = nil
	default:
		if err != nil {
			return nil, err
		}
	}
	cache[id] = v
	return v, nil
}

func (e *Edit) partner(key string) (bool, error) {
	if known, ok := e.partners[key]; ok {
		return known, nil
	}
	_, err := e.w.Documents().Get(store.Partner, key)
	if err != nil && affiliate.CodeOf(err) != affiliate.NotFound {
		return false, err
	}
	e.partners[key] = err == nil
	return err == nil, nil
}

// surroundedBy replaces the site or the program that links are checked against.
type surroundedBy struct {
	site    *affiliate.Site
	program *affiliate.Program
}

// offendersNamed is how many links a refusal names.
const offendersNamed = 10

// keepsLegal refuses a change that would make links illegal that are legal now.
// Links that broke the rules before, because the rules have changed since, are no
// reason.
func (e *Edit) keepsLegal(what string, query store.LinkQuery, by surroundedBy) error {
	refusal := &affiliate.Error{Code: affiliate.Conflict}
	count := 0
	query.Ascending = true
	err := e.w.Links().Find(query, func(l affiliate.Link) error {
		l.Normalize() // documents leave out what is the default
		before, err := e.around(&l)
		if err != nil {
			return err
		}
		after := before
		if by.site != nil {
			after.Site = *by.site
		}
		if by.program != nil {
			after.Program = by.program
		}
		_, wrong := l.Validate(after)
		if wrong == nil {
			return nil
		}
		if _, already := l.Validate(before); already != nil {
			return nil
		}
		if count++; count <= offendersNamed {
			refusal.Faults = append(refusal.Faults, affiliate.Fault{Field: l.Site + "/" + l.Slug, Message: firstFault(wrong)})
		}
		return nil
	})
	if err != nil || count == 0 {
		return err
	}
	refusal.Message = fmt.Sprintf("%s cannot be changed so: %d of its links would break the rules; change them first", what, count)
	if count > offendersNamed {
		refusal.Message += fmt.Sprintf(" (the first %d are named)", offendersNamed)
	}
	return refusal
}

// around is what a stored link is checked against.
func (e *Edit) around(l *affiliate.Link) (in affiliate.Surroundings, err error) {
	in.Operator = true // whether its author might write raw macros was settled then
	site, err := e.site(l.Site)
	if err != nil {
		return in, err
	}
	if site != nil {
		in.Site = *site
	}
	if l.Program != "" {
		in.Program, err = e.program(l.Program)
	}
	return in, err
}

func firstFault(err error) string {
	if e, ok := err.(*affiliate.Error); ok && len(e.Faults) > 0 {
		return e.Faults[0].String()
	}
	return err.Error()
}

// unused refuses to delete what links refer to.
func (e *Edit) unused(what string, query store.LinkQuery) error {
	n, err := e.w.Links().Count(query)
	if err != nil || n == 0 {
		return err
	}
	var names []string
	query.Limit = 3
	if err := e.w.Links().Find(query, func(l affiliate.Link) error {
		names = append(names, l.Site+"/"+l.Slug)
		return nil
	}); err != nil {
		return err
	}
	more := ""
	if n > int64(len(names)) {
		more = ", …"
	}
	return affiliate.Errorf(affiliate.Conflict, "%s still has %d links (%s%s); change or delete them first", what, n, strings.Join(names, ", "), more)
}

// ownCopy keeps normalisation away from slices that belong to the caller.
func ownCopy(l affiliate.Link) affiliate.Link {
	l.Tags = slices.Clone(l.Tags)
	l.Query.Names = slices.Clone(l.Query.Names)
	l.Destinations = slices.Clone(l.Destinations)
	l.Rules = slices.Clone(l.Rules)
	for i := range l.Rules {
		r := &l.Rules[i]
		r.Destinations = slices.Clone(r.Destinations)
		r.When = slices.Clone(r.When)
		for j := range r.When {
			c := &r.When[j]
			c.In, c.NotIn, c.Days = slices.Clone(c.In), slices.Clone(c.NotIn), slices.Clone(c.Days)
		}
	}
	return l
}
