package api

import (
	"context"
	"net/url"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// bases are where the sites' links begin, by site: "https://blog.example/go/".
type bases map[string]string

func (s *server) bases(ctx context.Context) (bases, error) {
	sites, err := s.Catalog.Sites(ctx)
	if err != nil {
		return nil, err
	}
	b := make(bases, len(sites))
	for _, site := range sites {
		if base := s.baseOf(site); base != "" {
			b[site.ID] = strings.TrimSuffix(base, "/") + site.Prefix
		}
	}
	return b, nil
}

func (s *server) baseOf(site affiliate.Site) string {
	if s.PublicURL != nil {
		if base := s.PublicURL(site); base != "" {
			return base
		}
	}
	if len(site.Hosts) > 0 {
		return "https://" + site.Hosts[0]
	}
	return ""
}

// link is the answer about a link.
func (b bases) link(link affiliate.Link, warnings []affiliate.Fault) Link {
	out := Link{Link: link, Warnings: warnings}
	if base, ok := b[link.Site]; ok {
		out.ShortURL = base + (&url.URL{Path: link.Slug}).EscapedPath()
	}
	return out
}
