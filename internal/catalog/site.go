package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// CreateSite is Catalog.CreateSite.
func (e *Edit) CreateSite(site affiliate.Site) (affiliate.Site, error) {
	if err := e.operator("sites"); err != nil {
		return affiliate.Site{}, err
	}
	site.Version = 1
	if err := e.checkSite(&site); err != nil {
		return affiliate.Site{}, err
	}
	if err := e.free(store.Site, site.ID, fmt.Sprintf("the site %q", site.ID)); err != nil {
		return affiliate.Site{}, err
	}
	e.around.sites[site.ID], e.around.only = &site, ""
	return site, e.put(store.Site, site.ID, nil, site)
}

// UpdateSite is Catalog.UpdateSite.
func (e *Edit) UpdateSite(site affiliate.Site, ifVersion int64) (affiliate.Site, error) {
	if err := e.operator("sites"); err != nil {
		return affiliate.Site{}, err
	}
	var before affiliate.Site
	if err := read(e.w.Documents(), store.Site, strings.ToLower(strings.TrimSpace(site.ID)), &before); err != nil {
		return affiliate.Site{}, err
	}
	if err := fresh(fmt.Sprintf("the site %q", before.ID), before.Version, ifVersion); err != nil {
		return affiliate.Site{}, err
	}
	site.Version = before.Version
	if site.Keys == nil {
		site.Keys = before.Keys
	} else if err := site.Keys.After(before.IngestKeys()); err != nil {
		return affiliate.Site{}, err
	}
	if err := e.checkSite(&site); err != nil {
		return affiliate.Site{}, err
	}
	if same(before, site) {
		return before, nil
	}
	if site.Prefix != before.Prefix || !slices.Equal(site.Hosts, before.Hosts) {
		if err := e.keepsLegal(fmt.Sprintf("the site %q", site.ID), store.LinkQuery{Site: site.ID}, surroundedBy{site: &site}); err != nil {
			return affiliate.Site{}, err
		}
	}
	site.Version++
	e.around.sites[site.ID] = &site
	return site, e.put(store.Site, site.ID, before, site)
}

// DeleteSite is Catalog.DeleteSite.
func (e *Edit) DeleteSite(id string, ifVersion int64) error {
	if err := e.operator("sites"); err != nil {
		return err
	}
	var site affiliate.Site
	if err := read(e.w.Documents(), store.Site, id, &site); err != nil {
		return err
	}
	what := fmt.Sprintf("the site %q", id)
	if err := fresh(what, site.Version, ifVersion); err != nil {
		return err
	}
	if err := e.unused(what, store.LinkQuery{Site: id}); err != nil {
		return err
	}
	sites, err := e.w.Documents().List(store.Site, "")
	if err != nil {
		return err
	}
	if len(sites) == 1 {
		return affiliate.Errorf(affiliate.Conflict, "%s is the last one; create another one first", what)
	}
	e.around.sites[id], e.around.only = nil, ""
	return e.remove(store.Site, id, site)
}

// checkSite normalises a site and holds it against its own rules and the other sites.
func (e *Edit) checkSite(site *affiliate.Site) error {
	site.Hosts = slices.Clone(site.Hosts)
	site.Normalize()
	site.Hosts = unique(site.Hosts)
	if err := site.Validate(); err != nil {
		return err
	}
	return each(e.w.Documents(), store.Site, func(other affiliate.Site) error {
		if other.ID == site.ID {
			return nil
		}
		if len(site.Hosts) == 0 && len(other.Hosts) == 0 {
			return affiliate.Errorf(affiliate.Conflict, "the site %q has no hosts and answers for every host already; name the hosts of %q, or give %q hosts first",
				other.ID, site.ID, other.ID)
		}
		for _, host := range site.Hosts {
			if slices.Contains(other.Hosts, host) {
				return affiliate.Errorf(affiliate.Conflict, "the host %s belongs to the site %q; remove it there first", host, other.ID)
			}
		}
		return nil
	})
}

// unique drops repetitions and keeps the order.
func unique(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// same says that two documents do not differ.
func same(a, b any) bool { return string(encode(a)) == string(encode(b)) }
