package app

import (
	"context"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/replication"
)

// clusterDesk is what operators may ask of all nodes.
type clusterDesk struct{ app *App }

// RepublishLinks begins a new epoch, which nodes obey whatever they know.
func (d clusterDesk) RepublishLinks(ctx context.Context) error {
	o := d.app.office.get()
	if o == nil || !d.app.isShared() {
		return affiliate.Errorf(affiliate.Unavailable, "links are not distributed to other nodes (distribution.engine)")
	}
	_, err := changeInstallation(ctx, o.store, func(there *replication.Identity) { there.Epoch++ })
	return err
}

// RotateCookieKeys is api.Cluster's.
func (d clusterDesk) RotateCookieKeys(ctx context.Context) error { return d.app.rotateCookieKeys(ctx) }

var _ api.Cluster = clusterDesk{}
