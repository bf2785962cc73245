package settlement

import (
	"context"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// refuseTimeout bounds how long a rejection waits for the store.
const refuseTimeout = 5 * time.Second

// Refuse keeps what was rejected, for people to look at; its ID is given here. It has no error to return: the
// sender is told why anyway, and where the store does not take it, the log does.
func (o *Office) Refuse(ctx context.Context, r Rejection) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refuseTimeout)
	defer cancel()
	r.ID = affiliate.NewReportID(o.now(), o.options.Random())
	if err := o.options.Store.Update(ctx, func(w store.Writer) error { return w.Books().Refuse(r) }); err != nil {
		o.options.Logger.Warn("a report was rejected and cannot be listed", "program", r.Program, "reason", r.Reason, "because", err)
	}
}

// Program returns a program that has a settlement, or NotFound.
func (o *Office) Program(ctx context.Context, id string) (p *affiliate.Program, err error) {
	err = o.options.Store.View(ctx, func(r store.Reader) error {
		programs := &programs{documents: r.Documents()}
		p, err = programs.get(id)
		return err
	})
	return p, err
}
