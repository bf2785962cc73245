package client

import (
	"bytes"
	"context"
	"net/http"
	"strconv"

	"github.com/sluicehq/sluice/internal/api"
)

// IngestKeys returns the keys that sign a site's clicks from elsewhere, the current one first.
func (c *Client) IngestKeys(ctx context.Context, site string) (api.IngestKeyList, error) {
	return ask[api.IngestKeyList](ctx, c, call{method: http.MethodGet, path: ingestKeysPath(site)})
}

// RotateIngestKey makes a new key; those before are accepted until they are revoked.
func (c *Client) RotateIngestKey(ctx context.Context, site string) (api.IngestKeyList, error) {
	return ask[api.IngestKeyList](ctx, c, call{method: http.MethodPost, path: ingestKeysPath(site)})
}

// RevokeIngestKey ends a key before the current one.
func (c *Client) RevokeIngestKey(ctx context.Context, site string, number int) (api.IngestKeyList, error) {
	return ask[api.IngestKeyList](ctx, c, call{method: http.MethodDelete, path: ingestKeysPath(site) + "/" + strconv.Itoa(number)})
}

func ingestKeysPath(site string) string { return "/sites/" + escape(site) + "/ingest-keys" }

// IngestLog has whole lines of a log, 4 MiB at most, taken in. format is "clicks" or "combined";
// host is that of lines that name none.
func (c *Client) IngestLog(ctx context.Context, format, host string, lines []byte) (api.IngestReceipt, error) {
	return ask[api.IngestReceipt](ctx, c, call{method: http.MethodPost, path: "/ingest", query: values("format", format, "host", host),
		header: http.Header{"Content-Type": {"application/octet-stream"}}, stream: bytes.NewReader(lines)})
}
