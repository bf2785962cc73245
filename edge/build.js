// Builds what is deployed: dist/worker.js for Cloudflare. It is small enough to be read.

import { build } from "esbuild";

for (const name of ["worker"]) {
  await build({
    entryPoints: [`${name}.ts`], outfile: `dist/${name}.js`, bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none", logLevel: "error",
  });
}
