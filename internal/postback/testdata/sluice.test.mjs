// The script in a page that has just enough of a browser. Run by TestScript.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import vm from "node:vm";

const source = readFileSync(new URL("../sluice.js", import.meta.url), "utf8");
const now = Date.UTC(2026, 10, 27);
const day = 864e5;
const digits = "0123456789abcdefghjkmnpqrstvwxyz";

// id is a click id of so many days ago.
function id(daysAgo, tail = "0".repeat(14)) {
  let n = BigInt(now - daysAgo * day) * 4n, text = "";
  for (let i = 0; i < 10; i++, n /= 32n) text = digits[Number(n % 32n)] + text;
  return text + tail;
}

// page is a browser's page; jar and storage outlive it, as in a browser.
function page({ search = "", dataset = {}, jar = {}, storage = {}, beacon = () => true, noStorage = false }) {
  const out = { cookies: [], beacons: [], fetches: [], jar, storage };
  class FakeDate extends Date { static now() { return now; } }
  const document = {
    currentScript: { dataset: { token: "tok_1", ...dataset }, src: "https://go.example/sluice.js" },
    get cookie() { return Object.entries(jar).map(([k, v]) => k + "=" + v).join("; "); },
    set cookie(text) {
      out.cookies.push(text);
      const [, k, v] = text.match(/^([^=]*)=([^;]*)/);
      jar[k] = v;
    },
  };
  const window = {};
  const context = {
    window, document, URL, URLSearchParams, Date: FakeDate,
    location: { search },
    navigator: beacon && { sendBeacon: (url, body) => { out.beacons.push({ url, body }); return beacon(); } },
    fetch: (url, init) => { out.fetches.push({ url, ...init }); return Promise.reject(new Error("offline")); },
  };
  Object.defineProperty(context, "localStorage", { get() { if (noStorage) throw new Error("SecurityError"); return storage; } });
  vm.runInNewContext(source, context);
  out.sluice = window.sluice;
  return out;
}
const plain = x => JSON.parse(JSON.stringify(x));

test("a landing page keeps the click first-party", () => {
  const p = page({ search: "?a=b&click_id=" + id(1) });
  assert.deepEqual(p.cookies, ["sluice_clicks=" + id(1) + "; path=/; max-age=2592000; SameSite=Lax; Secure"]);
  assert.equal(p.storage.sluice_clicks, id(1));
  assert.deepEqual(plain(p.sluice.clicks()), [id(1)]);
});

test("names, days and domain are the merchant's", () => {
  const p = page({ search: "?cid=" + id(1).toUpperCase(), dataset: { param: "cid", days: "90", domain: "shop.example" } });
  assert.deepEqual(p.cookies, ["sluice_clicks=" + id(1) + "; path=/; max-age=7776000; SameSite=Lax; Secure; domain=shop.example"]);
});

test("days are bounded by what browsers keep", () => {
  assert.match(page({ search: "?click_id=" + id(1), dataset: { days: "9999" } }).cookies[0], /max-age=34560000;/);
  assert.match(page({ search: "?click_id=" + id(1), dataset: { days: "x" } }).cookies[0], /max-age=2592000;/);
});

test("newest first, five at most, each once, in any order of coming", () => {
  const jar = {}, storage = {};
  for (const d of [3, 7, 1, 5, 2, 2, 6]) page({ search: "?click_id=" + id(d), jar, storage });
  assert.deepEqual(plain(page({ jar, storage }).sluice.clicks()), [1, 2, 3, 5, 6].map(d => id(d)));
});

test("a click is forgotten after its days, from both places", () => {
  const old = [id(31), id(29)].join(".");
  assert.deepEqual(plain(page({ jar: { sluice_clicks: old }, storage: { sluice_clicks: old } }).sluice.clicks()), [id(29)]);
  assert.deepEqual(page({ search: "?click_id=" + id(31) }).cookies, []);
});

test("either place is enough", () => {
  assert.deepEqual(plain(page({ jar: { other: "1", sluice_clicks: id(1) } }).sluice.clicks()), [id(1)]);
  assert.deepEqual(plain(page({ storage: { sluice_clicks: id(2) } }).sluice.clicks()), [id(2)]);
  assert.deepEqual(plain(page({ noStorage: true, search: "?click_id=" + id(1) }).sluice.clicks()), [id(1)]);
});

test("what is no click id is not kept", () => {
  for (const bad of ["{click_id}", "abc", "", id(1) + "0", id(1).slice(0, 23) + "l", "%3Cscript%3E"]) {
    const p = page({ search: "?click_id=" + bad });
    assert.deepEqual(p.cookies, [], bad);
    assert.equal(p.storage.sluice_clicks, undefined, bad);
  }
  assert.deepEqual(plain(page({ jar: { sluice_clicks: "junk." + id(1) + ".;x" } }).sluice.clicks()), [id(1)]);
});

test("an order goes by beacon, with its touches", () => {
  const p = page({ jar: { sluice_clicks: id(1) } });
  p.sluice.order({ id: "A-1", amount: "49.90", currency: "EUR", coupon: "SPRING" });
  assert.equal(p.beacons.length, 1);
  assert.equal(p.beacons[0].url, "https://go.example/postback/tok_1");
  assert.equal(typeof p.beacons[0].body, "string", "text needs no preflight");
  assert.deepEqual(JSON.parse(p.beacons[0].body),
    { txid: "A-1", amount: "49.90", currency: "EUR", coupon: "SPRING", touches: [id(1)], via: "script" });
  assert.equal(p.fetches.length, 0);
});

test("numbers lose what JavaScript added to them", () => {
  for (const [amount, text] of [[19.99 * 3, "59.97"], [0.1 + 0.2, "0.3"], [1200, "1200"], [1.234, "1.234"]]) {
    const p = page({});
    p.sluice.order({ id: "A-1", amount });
    assert.equal(JSON.parse(p.beacons[0].body).amount, text);
  }
});

test("without a beacon it is fetched, and nothing breaks the page", async () => {
  for (const beacon of [() => false, () => { throw new Error("too large"); }, null]) {
    const p = page({ beacon });
    p.sluice.order({ id: "A-1" });
    assert.equal(p.fetches.length, 1);
    const { url, method, keepalive, mode, body } = p.fetches[0];
    assert.deepEqual({ url, method, keepalive, mode }, { url: "https://go.example/postback/tok_1", method: "POST", keepalive: true, mode: "no-cors" });
    assert.equal(JSON.parse(body).txid, "A-1");
  }
  await new Promise(resolve => setTimeout(resolve, 5)); // a rejection that nobody caught would end the process
});
