// Measures what a visit costs in Cloudflare's runtime: this worker with everything on, beside the
// few lines that most people begin with, in turns on the same machine. Prints a table, and with
// --json what it is made of. It fails only when something could not be measured.
//
//   node bench.js [--rounds 7] [--visits 20000] [--json FILE]

import { readFileSync, writeFileSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { Miniflare } from "miniflare";

const { values: options } = parseArgs({ options: { rounds: { type: "string", default: "7" }, visits: { type: "string", default: "20000" }, json: { type: "string" } } });
const rounds = Number(options.rounds);
const visits = Number(options.visits);
const links = 1000;

// What is measured against: the last part of the path is the key, its value the target. No click,
// no id, no cookie.
const plain = `
export default {
  async fetch(request, env) {
    const slug = new URL(request.url).pathname.split("/").pop();
    const target = await env.LINKS.get(slug);
    return Response.redirect(target ?? "https://blog.example/404", 302);
  }
};`;

const worker = readFileSync(new URL("../internal/export/edge/dist/worker.js", import.meta.url), "utf8");
const secret = Buffer.alloc(32, 7);
const ring = "7 " + Buffer.from("0123456789abcdef0123456789ABCDEF").toString("hex");

/** sink takes clicks and counts them. */
const sink = { clicks: 0 };
const server = createServer(async (q, response) => {
  let body = "";
  for await (const chunk of q) body += chunk;
  sink.clicks += JSON.parse(body).clicks.length;
  response.end("{}");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

async function start(name, script, bindings, fill) {
  const runtime = new Miniflare({ modules: true, script, compatibilityDate: "2026-07-01", kvNamespaces: ["LINKS"], bindings, host: "127.0.0.1", port: 0 });
  const url = await runtime.ready;
  const kv = await runtime.getKVNamespace("LINKS");
  for (const [key, value] of fill) await kv.put(key, value);
  return { name, runtime, url, pids: workerdOf(url.port) };
}

/** workerdOf finds the process that listens on a port, for its clock. */
function workerdOf(port) {
  const out = execFileSync("ss", ["-ltnpH", `sport = :${port}`], { encoding: "utf8" });
  return [...new Set([...out.matchAll(/pid=(\d+)/g)].map((m) => m[1]))];
}

/** cpuOf is the processor time of processes so far, in microseconds. */
function cpuOf(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * 10_000;
}

const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const agents = ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"];

function visit(url, i) {
  return new Promise((resolve, reject) => {
    const q = request(
      { agent, host: url.hostname, port: url.port, path: `/go/link-${i % links}`, headers: { "user-agent": agents[i % 2], accept: "text/html,application/xhtml+xml", "accept-language": "de-DE,de;q=0.9,en;q=0.8", referer: "https://blog.example/reviews/kettles", "cf-connecting-ip": `192.0.2.${i % 250}`, "cf-ipcountry": "DE" } },
      (response) => {
        response.resume();
        response.on("end", () => (response.statusCode === 302 && /shop\.example/.test(response.headers.location) ? resolve() : reject(new Error(`${response.statusCode} ${response.headers.location}`))));
      },
    );
    q.on("error", reject).end();
  });
}

async function run(edge, n) {
  const before = cpuOf(edge.pids);
  let next = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (next < n) await visit(edge.url, next++);
  }));
  await new Promise((resolve) => setTimeout(resolve, 1200)); // the last batch of clicks leaves
  return (cpuOf(edge.pids) - before) / n;
}

const targets = Array.from({ length: links }, (_, i) => [`link-${i}`, `https://shop.example/product/${i}?aff=42`]);
const documents = [
  ["s", JSON.stringify({ v: 1, sites: [{ id: "main", prefix: "/go/", default: "https://blog.example/" }] })],
  ["g/acme", JSON.stringify({ v: 1, id: "acme", pp: "ref" })],
  ...targets.map(([slug, url], i) => [`l/main/${slug}`, JSON.stringify({ v: 1, i: i + 1, g: "acme", d: [{ i: "a", w: 1, u: [url + "&sid=", ["click_id"]] }, { i: "b", w: 1, u: [url + "&b=1&sid=", ["click_id"]] }], r: [{ i: "fr", w: [{ on: "country", in: ["FR"] }], d: [{ i: "a", w: 1, u: url }] }] })]),
];
const bindings = { COOKIE_KEYS: ring, INGEST_KEYS: `main.1 ${secret.toString("base64")}`, INGEST_URL: `http://127.0.0.1:${server.address().port}/ingest/clicks` };
const contestants = [
  await start("a few lines, KV for each visit", plain, {}, targets),
  await start("Sluice, everything on", worker, { ...bindings, CACHE_SECONDS: "3600" }, documents),
  await start("Sluice, KV for each visit", worker, { ...bindings, CACHE_SECONDS: "0" }, documents),
];
const samples = contestants.map(() => []);
for (const c of contestants) await run(c, 3000); // the runtime compiles what is used often
sink.clicks = 0;
for (let round = 0; round < rounds; round++) {
  for (const [i, c] of contestants.entries()) samples[i].push(await run(c, visits));
}

const sorted = (list) => [...list].sort((a, b) => a - b);
const median = (list) => sorted(list)[Math.floor(list.length / 2)];
const range = (list) => `${sorted(list)[0].toFixed(2)}-${sorted(list).at(-1).toFixed(2)}`;
const results = contestants.map((c, i) => {
  const ratios = samples[i].map((us, round) => us / samples[0][round]);
  return { name: c.name, us: samples[i], median: median(samples[i]), ratio: median(ratios), ratios };
});
console.log(`CPU of workerd per visit, median of ${rounds} rounds of ${visits} visits in turns (range)`);
for (const r of results) console.log(`  ${r.name.padEnd(32)} ${r.median.toFixed(1).padStart(7)} us (${range(r.us)})   x ${r.ratio.toFixed(2)} (${range(r.ratios)})`);
console.log(`clicks that came to the server: ${sink.clicks} of ${2 * rounds * visits}`);
if (options.json) writeFileSync(options.json, JSON.stringify({ rounds, visits, results, clicks: sink.clicks }, null, 1));
for (const c of contestants) await c.runtime.dispose();
server.closeAllConnections();
server.close();
agent.destroy();
