// The CloudFront Function in njs, the engine that CloudFront's runtime comes from. It has only
// the language that CloudFront documents; the store is the one thing that stands in for another.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Tally, checkColumn } from "./targets.js";
import { vectors } from "./vectors.js";

const code = readFileSync(new URL("../../internal/export/edge/dist/cloudfront.js", import.meta.url), "utf8");

/** alikeMin keeps what is answered alike from silently getting less. */
const alikeMin = 0.75;

let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), "sluice-cloudfront-"))));
after(() => rmSync(folder, { recursive: true }));

/** run hands visits to the function, one after the other, and returns what came of each: the answer and the line of its log. */
function run(documents, visits) {
  const script = `
    const documents = ${JSON.stringify(documents)};
    const visits = ${JSON.stringify(visits)};
    const cf = { kvs: function () { return { get: async function (key) { if (!Object.hasOwn(documents, key)) throw new Error("KeyNotFound"); return JSON.stringify(documents[key]); } }; } };
    ${code.slice(code.indexOf("\n"))}
    const realBegin = begin;
    const said = console.log;
    let lines = [], current;
    console.log = function (line) { lines.push(line); };
    begin = function (event, now) {
      const way = realBegin(event, now);
      // What no request can say is said in its place.
      if (current.set) Object.assign(way.visit, current.set);
      return way;
    };
    async function all() {
      const out = [];
      for (let i = 0; i < visits.length; i++) {
        current = visits[i];
        lines = [];
        const response = await handler(current.event);
        out.push({ response: response, click: lines.length ? JSON.parse(lines[0]) : null });
      }
      const text = JSON.stringify(out);
      for (let at = 0; at < text.length; at += 500) said(text.slice(at, at + 500)); // a line of njs's console has an end
    }
    all();`.replace("Object.hasOwn(documents, key)", "Object.prototype.hasOwnProperty.call(documents, key)");
  const path = join(folder, "function.js");
  writeFileSync(path, script);
  return JSON.parse(execFileSync("njs", [path], { encoding: "utf8", maxBuffer: 1 << 26 }).replaceAll("\n", ""));
}

/** eventOf is a viewer request as CloudFront shapes it. */
function eventOf({ method = "GET", host, path, query = "", ip = "192.0.2.7", headers = {}, cookies = {} }) {
  const querystring = {};
  for (const pair of query === "" ? [] : query.split("&")) {
    const at = pair.indexOf("=");
    const name = at < 0 ? pair : pair.slice(0, at);
    const value = { value: at < 0 ? "" : pair.slice(at + 1) };
    const known = querystring[name];
    if (!known) querystring[name] = value;
    else querystring[name] = { value: value.value, multiValue: [...(known.multiValue ?? [known]), value] };
  }
  const all = Object.fromEntries(Object.entries({ host, ...headers }).map(([name, value]) => [name, { value }]));
  return { version: "1.0", context: { eventType: "viewer-request", requestId: "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==" }, viewer: { ip }, request: { method, uri: path, querystring, headers: all, cookies } };
}

test("the function is small enough for CloudFront", () => {
  assert.ok(Buffer.byteLength(code) <= 10 * 1024, `${Buffer.byteLength(code)} bytes; at most 10 KB`);
});

describe("decision vectors", () => {
  let alike = 0;
  let all = 0;
  const tallies = new Map();
  for (const file of vectors()) {
    test(file.name, () => {
      const tally = new Tally();
      tallies.set(file.name, tally);
      const groups = [[file.documents, file.shortfalls, file.cases.filter((c) => !c.documents)], ...file.cases.filter((c) => c.documents).map((c) => [c.documents, c.shortfalls ?? {}, [c]])];
      for (const [documents, shortfalls, cases] of groups) {
        const visits = cases.map(({ visit: { host, path, query, ...set } }) => ({ event: eventOf({ host, path, query }), set }));
        run(documents, visits).forEach(({ response, click }, i) => {
          const { name, expect } = cases[i];
          all++;
          const got = { code: response.statusCode, url: response.headers.location?.value, link: click.link, variant: click.variant, rule: click.rule };
          const want = { code: expect.code, url: expect.url, link: expect.link ?? 0, variant: expect.variant ?? "", rule: expect.rule ?? "" };
          if (JSON.stringify(got) === JSON.stringify(want)) {
            alike++;
            tally.alike++;
            return;
          }
          // A name beyond ASCII that is no link's here is listed with the link that it is another spelling of, or with none.
          const listed = shortfalls[expect.link]?.[0] ?? (/[^\x20-\x7e]|%[89A-Fa-f]/.test(cases[i].visit.path) ? "names beyond ASCII" : undefined);
          assert.ok(listed, `${name}: neither alike nor listed: ${JSON.stringify({ got, want })}`);
          tally.listed(listed);
        });
      }
    });
  }
  test("the table of targets", () => checkColumn("CloudFront Function", tallies));
  after(() => {
    console.log(`a CloudFront Function answers ${alike} of ${all} vectors alike; the others are listed`);
    assert.ok(alike >= alikeMin * all, `${alike} of ${all} vectors are answered alike`);
  });
});

describe("a visit", () => {
  const documents = {
    s: { v: 1, sites: [{ id: "main", hosts: ["edge.example"], prefix: "/go/", default: "https://blog.example/" }] },
    "l/main/thing": { v: 1, i: 1, d: [{ i: "a", w: 1, u: ["https://shop.example/p?sid=", ["click_id"]] }] },
  };
  const ask = (more) => run(documents, [{ event: eventOf({ host: "edge.example", path: "/go/thing", ...more }) }])[0];

  test("is redirected, and its click is in the log", () => {
    const { response, click } = ask({ headers: { "user-agent": "Mozilla/5.0 (iPhone)", "cloudfront-viewer-country": "DE", "cloudfront-is-mobile-viewer": "true" } });
    assert.equal(response.statusCode, 302);
    assert.equal(response.headers.location.value, "https://shop.example/p?sid=" + click.id);
    assert.match(click.id, /^[yz]\d{12}[0-9a-f]{11}$/);
    assert.match(response.cookies.sluice_v.value, /^[0-9a-f]{16}$/);
    assert.deepEqual([click.country, click.ip, click.visitor], ["DE", "192.0.2.7", response.cookies.sluice_v.value]);
  });

  test("with a cookie is of the same visitor; of who asks not to be followed of none", () => {
    assert.equal(ask({ cookies: { sluice_v: { value: "0123456789abcdef" } } }).click.visitor, "0123456789abcdef");
    const { response, click } = ask({ headers: { "sec-gpc": "1" }, cookies: { sluice_v: { value: "0123456789abcdef" } } });
    assert.equal(click.visitor, "");
    assert.deepEqual(response.cookies, {});
  });

  test("of a bot gets no click id, and another method nothing", () => {
    assert.equal(ask({ headers: { "user-agent": "Googlebot/2.1" } }).response.headers.location.value, "https://shop.example/p?sid=");
    assert.equal(ask({ method: "POST" }).response.statusCode, 405);
  });
});
