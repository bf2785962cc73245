// What the edge shares with the server, by the files that both are tested with.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

let runtime;

before(async () => {
  const { outputFiles } = await build({ entryPoints: [new URL("probe.ts", import.meta.url).pathname], bundle: true, format: "esm", write: false, logLevel: "error" });
  runtime = new Miniflare({ modules: true, script: outputFiles[0].text, compatibilityDate: "2026-07-01" });
});

after(() => runtime?.dispose());

const read = (name) => JSON.parse(readFileSync(new URL(`../../testdata/${name}`, import.meta.url), "utf8")).cases;

async function ask(question) {
  const response = await runtime.dispatchFetch("http://edge.example/", { method: "POST", body: JSON.stringify(question) });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}

test("device classes", async () => {
  const cases = read("devices.json");
  const { agents } = await ask({ agents: cases.map(({ ua, mobile }) => ({ ua, mobile })) });
  cases.forEach((c, i) => assert.equal(agents[i], c.device, c.name));
});

test("visitors' tokens", async () => {
  const cases = read("tokens.json");
  const { tokens } = await ask({ tokens: cases });
  cases.forEach(({ ring: _, sealed, ...token }, i) => {
    assert.equal(tokens[i].sealed, sealed);
    assert.deepEqual(tokens[i].opened, token);
    assert.equal(tokens[i].forged, undefined);
  });
});
