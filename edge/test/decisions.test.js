// The decision vectors inside workerd, Cloudflare's runtime.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { Tally, checkColumn } from "./targets.js";
import { answer, vectors } from "./vectors.js";

/** vectorsMin keeps the vectors from silently getting fewer. */
const vectorsMin = 500;

let runtime;

before(async () => {
  const { outputFiles } = await build({
    entryPoints: [new URL("decide.ts", import.meta.url).pathname],
    bundle: true, format: "esm", write: false, logLevel: "error",
  });
  runtime = new Miniflare({ modules: true, script: outputFiles[0].text, compatibilityDate: "2026-07-01" });
});

after(() => runtime?.dispose());

async function decide(documents, visits) {
  const response = await runtime.dispatchFetch("http://edge.example/", { method: "POST", body: JSON.stringify({ documents, visits }) });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}

const files = vectors();
const tallies = new Map();

test("there are vectors", () => {
  const total = files.reduce((sum, f) => sum + f.cases.length, 0);
  assert.ok(total >= vectorsMin, `${total} vectors; there were at least ${vectorsMin}`);
});

for (const file of files) {
  test(file.name, async () => {
    const common = file.cases.filter((c) => !c.documents);
    const decisions = await decide(file.documents, common.map((c) => c.visit));
    const got = new Map(common.map((c, i) => [c, decisions[i]]));
    for (const c of file.cases.filter((c) => c.documents)) {
      got.set(c, (await decide(c.documents, [c.visit]))[0]);
    }
    const tally = new Tally();
    tallies.set(file.name, tally);
    for (const [c, decision] of got) {
      assert.deepEqual(answer(decision), answer(c.expect), c.name);
      tally.alike++;
    }
  });
}

test("the table of targets", () => checkColumn("Worker", tallies));
