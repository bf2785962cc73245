package analytics

import (
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

type Touch struct {
	ID                                                         affiliate.ClickID
	At                                                         time.Time
	Site, Program, Partner, Slug, Variant, Page, Sub1, Country string
	Link                                                       int64
	Visitor                                                    affiliate.VisitorID
	Valid                                                      bool
	Verdict                                                    affiliate.Verdict
}
