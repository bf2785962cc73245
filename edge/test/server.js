// A server that takes clicks, and events as AWS shapes them.

import assert from "node:assert/strict";
import { createServer } from "node:http";

/** Server takes clicks as Sluice does, and remembers them. */
export class Server {
  clicks = [];
  requests = [];
  answers = []; // statuses for the next requests; then 200

  async start() {
    this.http = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const status = this.answers.shift() ?? 200;
      this.requests.push({ headers: request.headers, body, status });
      if (status === 200) this.clicks.push(...JSON.parse(body).clicks);
      response.writeHead(status, { "content-type": "application/json" }).end("{}");
    });
    await new Promise((resolve) => this.http.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.http.address().port}/ingest/clicks`;
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }

  forget() {
    this.clicks = [];
    this.requests = [];
    this.answers = [];
  }

  /** Waits until so many clicks are there. */
  async has(n) {
    for (const end = Date.now() + 30_000; this.clicks.length < n; await new Promise((r) => setTimeout(r, 20))) {
      assert.ok(Date.now() < end, `${this.clicks.length} of ${n} clicks came in 30 s`);
    }
  }
}

/** lambdaEvent is a viewer request as Lambda@Edge hands it over. */
export function lambdaEvent({ method = "GET", host, path, query = "", ip = "192.0.2.7", headers = {} }) {
  const list = Object.entries({ host, ...headers }).map(([key, value]) => [key.toLowerCase(), [{ key, value }]]);
  return {
    Records: [{
      cf: {
        config: { distributionDomainName: "d111111abcdef8.cloudfront.net", distributionId: "EDFDVBD6EXAMPLE", eventType: "viewer-request", requestId: "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==" },
        request: { clientIp: ip, headers: Object.fromEntries(list), method, querystring: query, uri: path },
      },
    }],
  };
}
