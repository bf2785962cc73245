// Serves what "sluice export workers" has written, on this machine, in Cloudflare's runtime: to
// try it before it is deployed. Prints the address when it is ready; ends with Ctrl-C.
//
//   COOKIE_KEYS=$(cat data/keys/cookie) INGEST_KEYS=$(sluice ingest key main) npm run serve -- FOLDER [--port 8787] [--var NAME=VALUE …]

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Miniflare } from "miniflare";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { port: { type: "string", default: "0" }, var: { type: "string", multiple: true, default: [] } } });
const [folder] = positionals;
if (!folder) {
  console.error('serve: name the folder that "sluice export workers --out FOLDER" has written');
  process.exit(2);
}
const config = JSON.parse(readFileSync(join(folder, "wrangler.jsonc"), "utf8").replace(/^\s*\/\/.*$/gm, ""));
const given = Object.fromEntries(values.var.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
const secrets = Object.fromEntries(["COOKIE_KEYS", "INGEST_KEYS"].filter((name) => process.env[name]).map((name) => [name, process.env[name]]));

const runtime = new Miniflare({
  modules: true, script: readFileSync(join(folder, config.main), "utf8"), compatibilityDate: config.compatibility_date, kvNamespaces: ["LINKS"],
  bindings: { ...config.vars, ...given, ...secrets }, host: "127.0.0.1", port: Number(values.port),
});
const url = await runtime.ready;
const kv = await runtime.getKVNamespace("LINKS");

/** load puts the export's entries into the store, and takes out what is gone. */
async function load() {
  for (const name of readdirSync(folder).filter((name) => /^kv-put-.*\.json$/.test(name))) {
    for (const { key, value, metadata } of JSON.parse(readFileSync(join(folder, name), "utf8"))) await kv.put(key, value, { metadata });
  }
  if (readdirSync(folder).includes("kv-delete.json")) for (const key of JSON.parse(readFileSync(join(folder, "kv-delete.json"), "utf8"))) await kv.delete(key);
}

await load();
console.log(`serving ${folder} at ${url.origin}`);
process.on("SIGHUP", () => load().then(() => console.log("loaded again")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => runtime.dispose().then(() => process.exit(0)));
