package client_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/ingest"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// intake refuses every log in the same way.
type intake struct{}

func (intake) Key(string, int) []byte { return []byte("key") }

func (intake) TakeLog(_ context.Context, format ingest.Format, host string, log []byte) (ingest.Receipt, error) {
	return ingest.Receipt{Taken: len(log), Refused: 1, Refusals: []ingest.LineRefusal{{Line: 3, Why: string(format) + " of " + host}}}, nil
}

func TestIngest(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "control.db")})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	links, err := catalog.Open(t.Context(), catalog.Options{Store: db})
	must(t, err)
	server := httptest.NewServer(api.AsOperator(api.New(api.Options{Catalog: links, Accounts: account.Open(account.Options{Store: db}), Ingest: intake{}, TempDir: dir})))
	t.Cleanup(server.Close)
	c := client.New(client.Options{BaseURL: server.URL})

	receipt, err := c.IngestLog(t.Context(), "combined", "blog.example", []byte("some lines"))
	must(t, err)
	if receipt.Taken != 10 || receipt.Refused != 1 || len(receipt.Refusals) != 1 || receipt.Refusals[0] != (api.IngestRefusal{Line: 3, Why: "combined of blog.example"}) {
		t.Errorf("%+v", receipt)
	}
	first, err := c.IngestKeys(t.Context(), "main")
	must(t, err)
	both, err := c.RotateIngestKey(t.Context(), "main")
	must(t, err)
	last, err := c.RevokeIngestKey(t.Context(), "main", 1)
	must(t, err)
	if len(first.Items) != 1 || len(both.Items) != 2 || len(last.Items) != 1 || last.Items[0].Name != "main.2" || !last.Items[0].Current {
		t.Errorf("%+v, %+v, %+v", first, both, last)
	}
	if _, err = c.RevokeIngestKey(t.Context(), "main", 2); affiliate.CodeOf(err) != affiliate.Conflict {
		t.Errorf("the current key: %v", err)
	}
}
