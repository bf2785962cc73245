package edge

import (
	"context"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// Documents makes every document of a source and hands it to put, sites first. A link of which
// no redirect can be made is reported and left out.
func Documents(ctx context.Context, from *export.Source, report *export.Report, put func(key string, document []byte) error) error {
	if err := put(SitesKey, Sites(from.Sites)); err != nil {
		return err
	}
	programs := map[string]*affiliate.Program{}
	for i := range from.Programs {
		p := &from.Programs[i]
		programs[p.ID] = p
		if err := put(ProgramKey(p.ID), Program(p)); err != nil {
			return err
		}
	}
	for i := range from.Partners {
		p := &from.Partners[i]
		if err := put(PartnerKey(p.Program, p.Code), Partner(p)); err != nil {
			return err
		}
	}
	for l, err := range from.Links {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		document, err := link(l, programs)
		if err != nil {
			report.Refused++
			report.Add(export.Shortfall{Link: l.ID, Site: l.Site, Slug: l.Slug, What: "a link that leads nowhere",
				Consequence: "it is not exported, and its visitors get the site's default: " + err.Error()})
			continue
		}
		if err := put(LinkKey(l.Site, l.Slug), document); err != nil {
			return err
		}
		report.Links++
	}
	return nil
}

func link(l *affiliate.Link, programs map[string]*affiliate.Program) ([]byte, error) {
	program := programs[l.Program]
	if program == nil && l.Program != "" {
		return nil, fmt.Errorf("there is no program %q", l.Program)
	}
	return Link(l, program)
}
