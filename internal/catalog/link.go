package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
	newborn(&link, id, e.now)
	body := encode(link)
	taken, err := e.w.Links().Insert([]store.Link{{Link: &link, Body: body}})
	if err != nil {
		return affiliate.Link{}, nil, e.fail(err)
	}
	if len(taken) > 0 {
		return affiliate.Link{}, nil, e.takenName(&link)
	}
	if err := e.keepCap(nil, &link); err != nil {
		return affiliate.Link{}, nil, err
	}
	return link, warnings, e.record(Change{Kind: KindLink, Action: ActionCreate, Key: linkKey(id), After: body})
}

// newborn sets what the catalog decides of a new link.
func newborn(link *affiliate.Link, id int64, now time.Time) {
	link.ID, link.Version, link.CreatedAt, link.UpdatedAt, link.CapReached = id, 1, now, now, nil
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
	link.CapReached = reachedAfter(&before, &link)
	old := encode(before)
	if string(encode(link)) == string(old) {
		return before, false, warnings, nil
	}
	link.Version++
	link.UpdatedAt = e.now
	body := encode(link)
	if err := e.w.Links().Replace(store.Link{Link: &link, Body: body}); err != nil {
		if affiliate.CodeOf(err) == "" {
			err = e.fail(err)
		}
		return affiliate.Link{}, false, nil, err
	}
	if err := e.keepCap(&before, &link); err != nil {
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
	if err := e.keepCap(&before, nil); err != nil {
		return err
	}
	return e.record(Change{Kind: KindLink, Action: ActionDelete, Key: linkKey(id), Before: encode(before)})
}

func linkKey(id int64) string { return strconv.FormatInt(id, 10) }

// checkLink normalises a link and holds it against the rules and what is around it.
func (e *Edit) checkLink(link *affiliate.Link) (Warnings, error) {
	return e.around.check(link, e.actor.Operator)
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
		before, err := e.around.of(&l)
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
	if l.Cap != nil {
		c := *l.Cap
		l.Cap = &c
	}
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
