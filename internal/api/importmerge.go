package api

import (
	"slices"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/linkfile"
)

// columnCopies say what of a link each column of a CSV file carries. The slug and
// the site find the link.
var columnCopies = map[string]func(to, from *affiliate.Link){
	"slug":              func(to, from *affiliate.Link) { to.Slug = from.Slug },
	"site":              func(_, _ *affiliate.Link) {},
	"status":            func(to, from *affiliate.Link) { to.Status = from.Status },
	"code":              func(to, from *affiliate.Link) { to.Code = from.Code },
	"program":           func(to, from *affiliate.Link) { to.Program = from.Program },
	"partner":           func(to, from *affiliate.Link) { to.Partner = from.Partner },
	"tags":              func(to, from *affiliate.Link) { to.Tags = from.Tags },
	"page":              func(to, from *affiliate.Link) { to.Page = from.Page },
	"note":              func(to, from *affiliate.Link) { to.Note = from.Note },
	"starts_at":         func(to, from *affiliate.Link) { to.StartsAt = from.StartsAt },
	"ends_at":           func(to, from *affiliate.Link) { to.EndsAt = from.EndsAt },
	"cap":               func(to, from *affiliate.Link) { to.Cap = from.Cap },
	"fallback":          func(to, from *affiliate.Link) { to.Fallback = from.Fallback },
	"query":             func(to, from *affiliate.Link) { to.Query = from.Query },
	"rules":             func(to, from *affiliate.Link) { to.Rules = from.Rules },
	"geolocation_links": func(to, from *affiliate.Link) { to.Rules = from.Rules },
	"deep_link":         func(to, from *affiliate.Link) { to.DeepLink = from.DeepLink },
	"sub_id":            func(to, from *affiliate.Link) { to.SubID = from.SubID },
	"block_bots":        func(to, from *affiliate.Link) { to.BlockBots = from.BlockBots },
	"url":               copyDestinations,
	"variant":           copyDestinations,
	"variants":          copyDestinations,
	"weight":            copyDestinations,
}

func copyDestinations(to, from *affiliate.Link) { to.Destinations = from.Destinations }

// mergeOf says what an update makes of a link that is there: what the file does
// not carry stays. A JSON document is whole, so it replaces the link.
func mergeOf(source *linkfile.Reader) func(there, read affiliate.Link) affiliate.Link {
	var columns []string
	switch source.Format() {
	case linkfile.CSV:
		columns = source.Columns()
	case linkfile.Nginx:
		columns = []string{"slug", "url"}
	default:
		return nil
	}
	return func(there, read affiliate.Link) affiliate.Link {
		for _, name := range columns {
			copyColumn(name, &there, &read)
		}
		return there
	}
}

func copyColumn(name string, to, from *affiliate.Link) {
	if carry, ok := columnCopies[name]; ok {
		carry(to, from)
		return
	}
	if numbered := strings.TrimRight(name, "0123456789"); slices.Contains([]string{"url", "weight"}, numbered) {
		copyDestinations(to, from)
	}
}
