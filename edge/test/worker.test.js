// The worker as it is deployed, in Cloudflare's runtime, with a real key-value store and a real
// server behind it that takes the clicks.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Miniflare } from "miniflare";
import { Server } from "./server.js";

const script = readFileSync(new URL("../../internal/export/edge/dist/worker.js", import.meta.url), "utf8");
const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36";
const secret = Buffer.alloc(32, 7);
const ring = "7 " + Buffer.from("0123456789abcdef0123456789ABCDEF").toString("hex");

const documents = {
  s: { v: 1, sites: [{ id: "main", hosts: ["edge.example"], prefix: "/go/", default: "https://blog.example/" }] },
  "l/main/thing": { v: 1, i: 1, d: [{ i: "a", w: 1, u: ["https://shop.example/p?sid=", ["click_id"]] }] },
  "l/main/half": { v: 1, i: 2, d: [{ i: "a", w: 1, u: "https://shop.example/a" }, { i: "b", w: 1, u: "https://shop.example/b" }] },
  "l/main/paid": { v: 1, i: 3, g: "acme", d: [{ i: "a", w: 1, u: "https://acme.example/" }] },
  "g/acme": { v: 1, id: "acme", pp: "ref" },
};

let server;

/** start runs the worker with the documents. */
async function start(bindings = {}, more = {}) {
  const runtime = new Miniflare({
    modules: true, script, compatibilityDate: "2026-07-01", kvNamespaces: ["LINKS"],
    bindings: { COOKIE_KEYS: ring, INGEST_KEYS: `KEY STATE SECRET\nmain.1 current whsec_${secret.toString("base64")}`, INGEST_URL: server.url, ...bindings }, ...more,
  });
  const kv = await runtime.getKVNamespace("LINKS");
  for (const [key, document] of Object.entries(documents)) await kv.put(key, JSON.stringify(document));
  const visit = (path, headers = {}, init = {}) =>
    runtime.dispatchFetch("https://edge.example" + path, { redirect: "manual", headers: { "user-agent": chrome, accept: "text/html", "cf-connecting-ip": "192.0.2.7", ...headers }, ...init });
  return { runtime, kv, visit, stop: () => runtime.dispose() };
}

before(async () => {
  server = new Server();
  await server.start();
});
after(() => server.stop());
beforeEach(() => server.forget());

test("the worker is small", () => {
  const bytes = gzipSync(script, { level: 9 }).length;
  assert.ok(bytes <= 12 * 1024, `${bytes} bytes gzipped; at most 12 KiB`);
});

describe("a visit", () => {
  let edge;
  before(async () => (edge = await start()));
  after(() => edge.stop());

  test("is redirected, and its click comes to the server", async () => {
    const response = await edge.visit("/go/Thing?sub1=x", { referer: "https://blog.example/post", "cf-ipcountry": "DE", "accept-language": "de" });
    assert.equal(response.status, 302);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(response.headers.get("referrer-policy"), "no-referrer-when-downgrade");
    const id = /^https:\/\/shop\.example\/p\?sid=([0-9a-hjkmnp-tv-z]{24})$/.exec(response.headers.get("location"))?.[1];
    assert.ok(id, response.headers.get("location"));
    assert.match(response.headers.get("set-cookie"), /^sluice=[\w-]+; Path=\/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure$/);
    await server.has(1);
    const { visitor, fetch_mode: _, ...click } = server.clicks[0]; // the client of the tests sends a fetch mode of its own
    assert.match(visitor, /^[0-9a-hjkmnp-tv-z]{16}$/);
    assert.deepEqual(click, {
      id, host: "edge.example", path: "/go/Thing", query: "sub1=x", method: "GET", proto: "HTTP/1.1", scheme: "https", outcome: "redirect", code: 302,
      url: `https://shop.example/p?sid=${id}`, link: 1, site: "main", slug: "thing", variant: "a", ip: "192.0.2.7", country: "DE",
      agent: chrome, referrer: "https://blog.example/post", language: "de", accept: "text/html",
    });
    const { headers, body } = server.requests[0];
    assert.equal(headers["sluice-key"], "main.1");
    const mac = createHmac("sha256", secret).update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`).digest("base64");
    assert.equal(headers["webhook-signature"], "v1," + mac);
  });

  test("that comes back is known, and stays at its variant", async () => {
    const first = await edge.visit("/go/half");
    const cookie = first.headers.get("set-cookie").split(";")[0];
    for (let i = 0; i < 5; i++) {
      const again = await edge.visit("/go/half", { cookie: `other=1; ${cookie}` });
      assert.equal(again.headers.get("location"), first.headers.get("location"));
    }
    await server.has(6);
    assert.equal(new Set(server.clicks.map((c) => c.visitor)).size, 1);
    assert.equal(server.clicks.filter((c) => c.returning).length, 5);
  });

  test("with a cookie that nobody signed gets a new one", async () => {
    const first = await edge.visit("/go/thing");
    const cookie = first.headers.get("set-cookie").split(";")[0];
    const forged = cookie.slice(0, -1) + (cookie.endsWith("A") ? "Q" : "A");
    await edge.visit("/go/thing", { cookie: forged });
    await server.has(2);
    assert.equal(server.clicks[1].cookie_refused, true);
    assert.notEqual(server.clicks[1].visitor, server.clicks[0].visitor);
  });

  test("of who asks not to be followed gets no cookie", async () => {
    for (const headers of [{ "sec-gpc": "1" }, { dnt: "1" }]) {
      assert.equal((await edge.visit("/go/thing", headers)).headers.get("set-cookie"), null);
    }
    await server.has(2);
    assert.equal(server.clicks[0].visitor, server.clicks[1].visitor, "one visitor, for the day");
  });

  test("of a declared bot is sent to the plain URL", async () => {
    const response = await edge.visit("/go/thing", { "user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)" });
    assert.equal(response.headers.get("location"), "https://shop.example/p?sid=");
    assert.equal(response.headers.get("set-cookie"), null);
  });

  test("names no partner that the language knows and the program does not", async () => {
    for (const code of ["__proto__", "constructor", "toString"]) await edge.visit(`/go/paid?ref=${code}`);
    await server.has(3);
    for (const click of server.clicks) assert.equal(click.partner, undefined);
  });

  test("of an unknown name is sent to the default URL", async () => {
    const response = await edge.visit("/go/nothing");
    assert.equal(response.status, 302);
    assert.equal(response.headers.get("location"), "https://blog.example/");
  });

  test("outside the prefix is told so, and only GET and HEAD follow links", async () => {
    assert.equal((await edge.visit("/about")).status, 404);
    const response = await edge.visit("/go/thing", {}, { method: "POST" });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), "GET, HEAD");
  });
});

describe("a store that fails", () => {
  /** broken is the worker with a store in front of the real one that fails or hangs as a visit to /?mood=… says. */
  async function broken(bindings) {
    return start(bindings, {
      modules: [
        { type: "ESModule", path: "main.js", contents: wrapper },
        { type: "ESModule", path: "worker.js", contents: script },
      ],
      script: undefined,
    });
  }
  const wrapper = `
    import worker from "./worker.js";
    let mood = "";
    export default {
      async fetch(request, env, ctx) {
        const set = new URL(request.url).searchParams.get("mood");
        if (set !== null) { mood = set; return new Response("ok"); }
        const LINKS = { async get(key, o) {
          if (mood === "fails" || mood === key) throw new Error("KV GET failed: 500");
          if (mood === "hangs") await new Promise((r) => setTimeout(r, 5000));
          return env.LINKS.get(key, o);
        } };
        return worker.fetch(request, { ...env, LINKS }, ctx);
      },
    };`;

  test("from the first visit on leads to the default URL", async () => {
    const edge = await broken({ DEFAULT_URL: "https://blog.example/all" });
    try {
      await edge.visit("/?mood=fails");
      const response = await edge.visit("/go/thing");
      assert.equal(response.status, 302);
      assert.equal(response.headers.get("location"), "https://blog.example/all");
      await edge.visit("/?mood=g/acme");
      assert.equal((await edge.visit("/go/paid")).headers.get("location"), "https://blog.example/", "the site's own default");
    } finally {
      await edge.stop();
    }
  });

  test("later on changes nothing for links that are known", async () => {
    const edge = await broken({ CACHE_SECONDS: "0" });
    try {
      await edge.visit("/go/half", { "sec-gpc": "1" });
      await edge.visit("/?mood=fails");
      assert.match((await edge.visit("/go/half", { "sec-gpc": "1" })).headers.get("location"), /^https:\/\/shop\.example\/[ab]$/);
    } finally {
      await edge.stop();
    }
  });

  test("by not answering is not waited for", async () => {
    const edge = await broken({ KV_MILLISECONDS: "50", DEFAULT_URL: "https://blog.example/" });
    try {
      await edge.visit("/?mood=hangs");
      const response = await Promise.race([edge.visit("/go/thing"), new Promise((r) => setTimeout(r, 4000, "late"))]);
      assert.notEqual(response, "late");
      assert.equal(response.headers.get("location"), "https://blog.example/");
    } finally {
      await edge.stop();
    }
  });
});

describe("a changed link", () => {
  test("is seen when the cache's time is over", async () => {
    const edge = await start({ CACHE_SECONDS: "1" });
    try {
      assert.match((await edge.visit("/go/thing")).headers.get("location"), /^https:\/\/shop\.example\/p/);
      await edge.kv.put("l/main/thing", JSON.stringify({ v: 1, i: 1, d: [{ i: "a", w: 1, u: "https://other.example/" }] }));
      const end = Date.now() + 90_000; // KV itself keeps what it has read for 60 s
      while ((await edge.visit("/go/thing")).headers.get("location") !== "https://other.example/") {
        assert.ok(Date.now() < end, "the old link is still served");
        await new Promise((r) => setTimeout(r, 200));
      }
    } finally {
      await edge.stop();
    }
  });
});

describe("clicks on their way", () => {
  test("go in batches, and again when the server fails", async () => {
    const edge = await start();
    try {
      server.answers = [503, 429];
      for (let i = 0; i < 250; i++) await edge.visit("/go/thing");
      await server.has(250);
      assert.equal(new Set(server.clicks.map((c) => c.id)).size, 250);
      assert.equal(server.requests.filter((r) => r.status !== 200).length, 2);
      assert.ok(server.requests.length < 25, `${server.requests.length} requests for 250 clicks`);
    } finally {
      await edge.stop();
    }
  });

  test("are sent again by themselves, and wait for the next visit when the server stays away", async () => {
    const edge = await start();
    try {
      server.answers = [503];
      await edge.visit("/go/thing");
      await server.has(1); // nobody else has come
      server.answers = [503, 503, 503, 503];
      await edge.visit("/go/thing");
      for (const end = Date.now() + 60_000; server.answers.length > 0; await new Promise((r) => setTimeout(r, 20))) assert.ok(Date.now() < end);
      assert.equal(server.clicks.length, 1);
      await edge.visit("/go/thing");
      await server.has(3);
      assert.equal(new Set(server.clicks.map((c) => c.id)).size, 3);
    } finally {
      await edge.stop();
    }
  });

  test("that the server refuses are counted as lost, and told with the next batch", async () => {
    const edge = await start();
    try {
      server.answers = [422];
      await edge.visit("/go/thing");
      for (const end = Date.now() + 30_000; server.requests.length < 1; await new Promise((r) => setTimeout(r, 20))) assert.ok(Date.now() < end);
      await edge.visit("/go/half");
      await server.has(1);
      assert.equal(server.requests.at(-1).headers["sluice-lost"], "1");
    } finally {
      await edge.stop();
    }
  });

  test("go through a queue when one is bound", async () => {
    const edge = await start({}, { queueProducers: { CLICKS: "clicks" }, queueConsumers: { clicks: { maxBatchTimeout: 1, maxBatchSize: 10 } } });
    try {
      for (let i = 0; i < 25; i++) await edge.visit("/go/thing");
      await server.has(25);
      assert.equal(new Set(server.clicks.map((c) => c.id)).size, 25);
    } finally {
      await edge.stop();
    }
  });
});
