package api

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// nodes is an installation that notes what it is asked for.
type nodes struct {
	asked []string
	err   error
}

func (n *nodes) RepublishLinks(context.Context) error {
	n.asked = append(n.asked, "republish")
	return n.err
}

func (n *nodes) RotateCookieKeys(context.Context) error {
	n.asked = append(n.asked, "rotate")
	return n.err
}

func TestClusterIsAskedForByOperators(t *testing.T) {
	n := &nodes{}
	w := newWorld(t, func(o *Options) { o.Cluster = n })
	admin := w.session("admin")
	for path, asked := range map[string]string{"/api/v1/cluster/republish": "republish", "/api/v1/cluster/cookie-keys": "rotate"} {
		n.asked, n.err = nil, nil
		if a := w.do(admin, "POST", path, nil); a.Code != 204 || strings.Join(n.asked, " ") != asked {
			t.Errorf("%s: %d, asked for %q", path, a.Code, n.asked)
		}
		n.err = affiliate.Errorf(affiliate.Unavailable, "the back office is not open")
		w.do(admin, "POST", path, nil).problem(503, "unavailable")
		n.err = errors.New("disk on fire at /var/lib")
		if a := w.do(admin, "POST", path, nil); a.Code != 500 || strings.Contains(a.Body.String(), "/var/lib") {
			t.Errorf("%s: %d %s", path, a.Code, a.Body)
		}
	}
}
