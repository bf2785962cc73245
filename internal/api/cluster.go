package api

import (
	"context"
	"net/http"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Cluster is what concerns all nodes of an installation.
type Cluster interface {
	// RepublishLinks makes the store's links those of all nodes, also of such that know
	// more.
	RepublishLinks(ctx context.Context) error
	// RotateCookieKeys begins to sign visitors' cookies with a new key.
	RotateCookieKeys(ctx context.Context) error
}

const tagCluster = "Cluster"

func (s *server) registerCluster() {
	handle(s, operation{
		method: http.MethodPost, path: "/cluster/republish", id: "republishLinks", tag: tagCluster, access: operator, status: http.StatusNoContent,
		summary: "Make this store's links those of all nodes",
		description: "For a store that was restored from a backup: nodes that know more changes obey it then. " +
			"Without it they go on with what they have, since a lost store must not delete links.",
	}, s.republishLinks)
	handle(s, operation{
		method: http.MethodPost, path: "/cluster/cookie-keys", id: "rotateCookieKeys", tag: tagCluster, access: operator, status: http.StatusNoContent,
		summary: "Sign visitors' cookies with a new key",
		description: "On all nodes, a minute later, when each of them knows it. Cookies that older keys have signed stay good for as long as cookies last: " +
			"no visitor looks new because of it.",
	}, s.rotateCookieKeys)
}

func (s *server) nodes() (Cluster, error) {
	if s.Cluster == nil {
		return nil, affiliate.Errorf(affiliate.Unavailable, "this server has no nodes to speak for")
	}
	return s.Cluster, nil
}

func (s *server) republishLinks(ctx context.Context, _ *struct{}) (*struct{}, error) {
	c, err := s.nodes()
	if err != nil {
		return nil, err
	}
	return nil, c.RepublishLinks(ctx)
}

func (s *server) rotateCookieKeys(ctx context.Context, _ *struct{}) (*struct{}, error) {
	c, err := s.nodes()
	if err != nil {
		return nil, err
	}
	return nil, c.RotateCookieKeys(ctx)
}
