// Package engine is what the engines of store do alike, whatever keeps their rows: the gate that
// transactions pass, how times, texts and documents are kept, the arithmetic of the ledger, and the
// words of a refusal, so that people are told the same whichever engine is in use.
//
// It promises nothing to those who use a store; that is the contract, and only engines import this.
package engine

import (
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// NoDocument is the NotFound of a document.
func NoDocument(kind store.Kind, key string) error {
	return affiliate.Errorf(affiliate.NotFound, "there is no %s %q", kind, key)
}

// NoItem is the NotFound of an item of one of store.Groups, which is named in the plural.
func NoItem(group, id string) error {
	return affiliate.Errorf(affiliate.NotFound, "there is no %s %q", strings.TrimSuffix(group, "s"), id)
}

// NoLink is the NotFound of a link.
func NoLink(id int64) error {
	return affiliate.Errorf(affiliate.NotFound, "there is no link %d", id)
}

// NoSlug is the NotFound of a link that is looked up by its slug.
func NoSlug(site, slug string) error {
	return affiliate.Errorf(affiliate.NotFound, "the site %q has no link %q", site, slug)
}

// SlugTaken is the Conflict of a link whose slug belongs to the link with the id by.
func SlugTaken(link *affiliate.Link, by int64) error {
	return affiliate.Errorf(affiliate.Conflict, "the name %q is taken on the site %q, by link %d", link.Slug, link.Site, by)
}
