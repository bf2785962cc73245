package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/clickcap"
)

// CapUse is how much of a link's cap is used.
type CapUse struct {
	Cap     affiliate.ClickCap    `json:"cap" doc:"The cap."`
	Since   *time.Time            `json:"since,omitempty" doc:"When the current period began. Absent: a total."`
	Until   *time.Time            `json:"until,omitempty" doc:"When it ends."`
	Clicks  int64                 `json:"clicks" doc:"Valid clicks of the period that were sent to a destination, as far as the reports know." example:"812"`
	Left    int64                 `json:"left" doc:"Clicks until the cap is reached." example:"188"`
	Over    int64                 `json:"over" doc:"Clicks beyond the cap." example:"0"`
	Reached *affiliate.CapReached `json:"reached,omitempty" doc:"There while the cap closes the link."`
}

func (s *server) registerLinkCap() {
	handle(s, operation{
		method: http.MethodGet, path: "/links/{id}/cap", id: "getLinkCap", tag: tagLinks, access: read,
		summary:     "Show how much of a link's cap is used",
		description: "Clicks are those of all nodes that are in the reports, which are a second or so behind. A link without a cap has none to show: 404.",
	}, s.linkCap)
}

func (s *server) linkCap(ctx context.Context, in *LinkPath) (*struct{ Body CapUse }, error) {
	link, err := s.Catalog.Link(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if link.Cap == nil {
		return nil, affiliate.Errorf(affiliate.NotFound, "the link %d has no cap", in.ID)
	}
	since, until, clicks, err := clickcap.Count(ctx, s.Analytics, s.Now(), in.ID, link.Cap)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body CapUse }{CapUse{Cap: *link.Cap, Clicks: clicks, Reached: link.CapReached,
		Left: max(link.Cap.Clicks-clicks, 0), Over: max(clicks-link.Cap.Clicks, 0)}}
	if !until.IsZero() {
		out.Body.Since, out.Body.Until = &since, &until
	}
	return out, nil
}
