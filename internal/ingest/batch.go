package ingest

import (
	"context"
	"errors"
	"fmt"
)

// readBatch converts a whole batch, or says what is wrong with its first bad click.
func (v *converter) readBatch() *refusal {
	v.scan.b, v.scan.at, v.scan.deep = v.body, 0, 0
	clear(v.met)
	v.strayLinks = v.strayLinks[:0]
	n, err := v.scan.eachClick(&v.in, func(n int) error {
		if n == ClicksMax {
			return refuse(clicksTooMany, "a batch has at most %d clicks; send it in parts", ClicksMax)
		}
		if err := v.convert(); err != nil {
			return err
		}
		if before, again := v.met[v.click.ID]; again {
			return &refusal{Reason: clickTwice, Field: fmt.Sprintf("clicks[%d].id", n),
				Message: fmt.Sprintf("clicks[%d] and clicks[%d] are the same click, %s; send each once", before, n, v.click.ID)}
		}
		v.met[v.click.ID] = n
		if link := v.in.Link; link != 0 && v.table.LinkAt(v.in.Host, v.in.Path) != link {
			v.strayLinks = append(v.strayLinks, strayLink{n, link})
		}
		return nil
	})
	if err == nil {
		return nil
	}
	return v.explain(n, err)
}

// explain makes a refusal of what is wrong with the click n.
func (v *converter) explain(n int, err error) *refusal {
	var r *refusal
	var syntax *syntaxError
	var field *fieldError
	switch {
	case errors.As(err, &r):
		r.Click = &n
	case errors.As(err, &syntax):
		r = refuse(jsonMalformed, "the JSON ends to make sense in clicks[%d], line %d, byte %d: %s", n, lineOf(v.body, syntax.at), syntax.at, syntax.text)
		r.Click, r.Line, r.Byte = &n, lineOf(v.body, syntax.at), &syntax.at
	case errors.As(err, &field):
		r = refuse(clickInvalid, "clicks[%d].%s: %s", n, field.field, field.text)
		r.Click, r.Field = &n, fmt.Sprintf("clicks[%d].%s", n, field.field)
	default:
		r = refuse(clickInvalid, "clicks[%d]: %s", n, err)
	}
	return r
}

// strayLink is a click on a link that is not where the click says.
type strayLink struct {
	click int
	link  int64
}

// checkLinks looks up the links that are not where their clicks say. They may have been
// renamed or removed since; but a site's key names no link of another site.
func (v *converter) checkLinks(ctx context.Context) *refusal {
	if v.options.SiteOfLink == nil {
		return nil
	}
	sites := map[int64]string{}
	for _, stray := range v.strayLinks {
		site, known := sites[stray.link]
		if !known {
			var err error
			if site, err = v.options.SiteOfLink(ctx, stray.link); err != nil {
				return refuse(unavailable, "links cannot be looked up for now; keep the clicks and send them again")
			}
			sites[stray.link] = site
		}
		if site != "" && site != v.site {
			r := refuse(clickInvalid, "clicks[%d].link: %d is no link of the site %q, whose key this is", stray.click, stray.link, v.site)
			r.Click, r.Field = &stray.click, fmt.Sprintf("clicks[%d].link", stray.click)
			return r
		}
	}
	return nil
}
