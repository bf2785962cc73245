// Builds what is deployed into the place from which the program hands it out. It is small
// enough to be read.

import { build } from "esbuild";

const to = new URL("../internal/export/edge/dist/", import.meta.url).pathname;

for (const [entry, name] of [["worker.ts", "worker.js"], ["lambda.entry.ts", "lambda.mjs"]]) {
  await build({
    entryPoints: [entry], outfile: to + name, bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none", logLevel: "error",
  });
}
