// The Lambda@Edge function, invoked with CloudFront's events.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync, copyFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { Server, lambdaEvent } from "./server.js";
import { Tally, checkColumn } from "./targets.js";
import { vectors } from "./vectors.js";

const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36";
const secret = Buffer.alloc(32, 7).toString("base64");
const ring = "7 " + Buffer.from("0123456789abcdef0123456789ABCDEF").toString("hex");
const documents = {
  s: { v: 1, sites: [{ id: "main", hosts: ["edge.example"], prefix: "/go/", default: "https://blog.example/" }] },
  "l/main/thing": { v: 1, i: 1, d: [{ i: "a", w: 1, u: ["https://shop.example/p?sid=", ["click_id"]] }] },
};

let folder, create;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-lambda-"));
  await build({ entryPoints: [new URL("../lambda.ts", import.meta.url).pathname], outfile: join(folder, "create.mjs"), bundle: true, format: "esm", logLevel: "error" });
  ({ create } = await import(pathToFileURL(join(folder, "create.mjs"))));
});
after(() => rmSync(folder, { recursive: true }));

describe("decision vectors", () => {
  const tallies = new Map();
  for (const file of vectors()) {
    test(file.name, async () => {
      const tally = new Tally();
      tallies.set(file.name, tally);
      for (const c of file.cases) {
        // What no request can say is said in its place: the time, the ids and the verdict.
        const identify = async (r) => ({ visit: { ...c.visit, host: r.host, path: r.path, query: r.query }, agent: { device: c.visit.device, tool: false }, token: undefined, returning: false, refused: false });
        const handler = create({ config: {}, documents: c.documents ?? file.documents, identify, fetch });
        const { host, path, query } = c.visit;
        const response = await handler(lambdaEvent({ host, path, query }));
        assert.equal(response.status, String(c.expect.code), c.name);
        assert.equal(response.headers.location?.[0].value, c.expect.url, c.name);
        tally.alike++;
      }
    });
  }
  test("the table of targets", () => checkColumn("Lambda@Edge", tallies));
});

describe("a visit", () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.stop());
  beforeEach(() => server.forget());

  const make = (more = {}) =>
    create({ config: { ingestURL: server.url, clickMilliseconds: 5000, ...more }, documents, cookieKeys: ring, ingestKeys: `main.1 ${secret}`, fetch });
  const visit = (headers = {}, more = {}) => lambdaEvent({ host: "edge.example", path: "/go/thing", headers: { "User-Agent": chrome, Accept: "*/*", "CloudFront-Viewer-Country": "DE", ...headers }, ...more });

  test("is redirected, and its click is taken before the answer", async () => {
    const response = await make()(visit());
    const id = /sid=([0-9a-z]{24})$/.exec(response.headers.location[0].value)[1];
    assert.equal(response.status, "302");
    assert.match(response.headers["set-cookie"][0].value, /^sluice=/);
    assert.equal(server.clicks.length, 1);
    const { id: told, country, ip, link } = server.clicks[0];
    assert.deepEqual({ told, country, ip, link }, { told: id, country: "DE", ip: "192.0.2.7", link: 1 });
  });

  test("of one who comes back is known", async () => {
    const handler = make();
    const first = await handler(visit());
    await handler(visit({ Cookie: first.headers["set-cookie"][0].value.split(";")[0] }));
    assert.equal(server.clicks[1].returning, true);
    assert.equal(server.clicks[1].visitor, server.clicks[0].visitor);
  });

  test("does not wait for a server that is away, and loses no click that can still be sent", async () => {
    server.answers = [503];
    const handler = make({ clickMilliseconds: 0 });
    assert.equal((await handler(visit())).status, "302");
    await server.has(1);
  });

  test("with another method is refused", async () => {
    assert.equal((await make()(visit({}, { method: "POST" }))).status, "405");
  });

  test("sees newer documents when their time has come", async () => {
    const newer = { ...documents, "l/main/thing": { v: 1, i: 1, d: [{ i: "a", w: 1, u: "https://other.example/" }] } };
    const store = createServer((_, response) => response.writeHead(200, { etag: '"1"' }).end(JSON.stringify(newer)));
    await new Promise((resolve) => store.listen(0, "127.0.0.1", resolve));
    try {
      const handler = make({ documentsURL: `http://127.0.0.1:${store.address().port}/` });
      assert.match((await handler(visit())).headers.location[0].value, /^https:\/\/shop/);
      for (const end = Date.now() + 30_000; (await handler(visit())).headers.location[0].value !== "https://other.example/"; ) assert.ok(Date.now() < end);
    } finally {
      store.closeAllConnections();
      store.close();
    }
  });
});

test("the package works from its folder", async () => {
  copyFileSync(new URL("../../internal/export/edge/dist/lambda.mjs", import.meta.url), join(folder, "index.mjs"));
  writeFileSync(join(folder, "documents.json"), JSON.stringify(documents));
  writeFileSync(join(folder, "cookie-keys"), ring);
  const { handler } = await import(pathToFileURL(join(folder, "index.mjs")));
  const response = await handler(lambdaEvent({ host: "edge.example", path: "/go/thing", headers: { "user-agent": chrome } }));
  assert.match(response.headers.location[0].value, /^https:\/\/shop\.example\/p\?sid=[0-9a-z]{24}$/);
  assert.match(response.headers["set-cookie"][0].value, /^sluice=/);
});
