package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// surroundings is what links are checked against: the sites, programs and
// partners as they stand within one edit. Each is looked up once.
type surroundings struct {
	documents store.DocumentReader // nil: all there is has been read

	// nil and false are known to be missing
	sites    map[string]*affiliate.Site
	programs map[string]*affiliate.Program
	partners map[string]bool
	only     string // the only site, "" while not looked up
}

func newSurroundings(d store.DocumentReader) *surroundings {
	return &surroundings{documents: d, sites: map[string]*affiliate.Site{}, programs: map[string]*affiliate.Program{}, partners: map[string]bool{}}
}

// allSurroundings reads everything, so that links can be checked without the store.
func allSurroundings(d store.DocumentReader) (*surroundings, error) {
	s := newSurroundings(nil)
	if err := each(d, store.Site, func(site affiliate.Site) error { s.sites[site.ID] = &site; return nil }); err != nil {
		return nil, err
	}
	if err := each(d, store.Program, func(p affiliate.Program) error { s.programs[p.ID] = &p; return nil }); err != nil {
		return nil, err
	}
	partners, err := d.List(store.Partner, "")
	for _, doc := range partners {
		s.partners[doc.Key] = true
	}
	return s, err
}

// check normalises a link and holds it against the rules and what is around it.
func (s *surroundings) check(link *affiliate.Link, operator bool) (warnings Warnings, err error) {
	link.Normalize()
	link.Site = strings.ToLower(strings.TrimSpace(link.Site))
	if link.Site == "" {
		if link.Site, err = s.onlySite(); err != nil {
			return nil, err
		}
	}
	site, err := s.site(link.Site)
	if err != nil {
		return nil, err
	}
	if site == nil {
		names, err := s.siteNames()
		if err != nil {
			return nil, err
		}
		return nil, notValid(link, "site", "there is no site %q; there are: %s", link.Site, strings.Join(names, ", "))
	}
	in := affiliate.Surroundings{Site: *site, Operator: operator}
	if link.Program != "" {
		if in.Program, err = s.program(link.Program); err != nil {
			return nil, err
		}
	}
	if warnings, err = link.Validate(in); err != nil || link.Partner == "" {
		return warnings, err
	}
	known, err := s.partner(partnerKey(link.Program, link.Partner))
	if err == nil && !known {
		err = notValid(link, "partner", "the program %q has no partner %q; create it first", link.Program, link.Partner)
	}
	return warnings, err
}

func notValid(link *affiliate.Link, field, format string, args ...any) error {
	return invalid(fmt.Sprintf("the link %q is not valid", link.Slug), field, format, args...)
}

// of is what a stored link is checked against.
func (s *surroundings) of(l *affiliate.Link) (in affiliate.Surroundings, err error) {
	in.Operator = true // whether its author might write raw macros was settled then
	site, err := s.site(l.Site)
	if err != nil {
		return in, err
	}
	if site != nil {
		in.Site = *site
	}
	if l.Program != "" {
		in.Program, err = s.program(l.Program)
	}
	return in, err
}

func (s *surroundings) site(id string) (*affiliate.Site, error) {
	return known(s, s.sites, store.Site, id)
}

func (s *surroundings) program(id string) (*affiliate.Program, error) {
	return known(s, s.programs, store.Program, id)
}

// known looks a document up once; nil means that there is none.
func known[T any](s *surroundings, cache map[string]*T, kind store.Kind, id string) (*T, error) {
	v, ok := cache[id]
	if ok || s.documents == nil {
		return v, nil
	}
	v = new(T)
	if err := read(s.documents, kind, id, v); affiliate.CodeOf(err) == affiliate.NotFound {
		v = nil
	} else if err != nil {
		return nil, err
	}
	cache[id] = v
	return v, nil
}

func (s *surroundings) partner(key string) (bool, error) {
	known, ok := s.partners[key]
	if ok || s.documents == nil {
		return known, nil
	}
	_, err := s.documents.Get(store.Partner, key)
	if err != nil && affiliate.CodeOf(err) != affiliate.NotFound {
		return false, err
	}
	s.partners[key] = err == nil
	return err == nil, nil
}

// onlySite is the site that is meant when a link names none.
func (s *surroundings) onlySite() (string, error) {
	if s.only == "" {
		names, err := s.siteNames()
		if err != nil {
			return "", err
		}
		if len(names) != 1 {
			return "", invalid("the link names no site", "site", "name one of the sites: %s", strings.Join(names, ", "))
		}
		s.only = names[0]
	}
	return s.only, nil
}

func (s *surroundings) siteNames() (names []string, err error) {
	if s.documents == nil {
		for id := range s.sites {
			names = append(names, id)
		}
		slices.Sort(names)
		return names, nil
	}
	docs, err := s.documents.List(store.Site, "")
	for _, d := range docs {
		names = append(names, d.Key)
	}
	return names, err
}
