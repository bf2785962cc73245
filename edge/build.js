// Builds what is deployed into the place from which the program hands it out. It is small
// enough to be read.

import { readFileSync, writeFileSync } from "node:fs";
import { transformAsync } from "@babel/core";
import { build, transform } from "esbuild";
import { minify } from "terser";

const here = new URL("./", import.meta.url).pathname;
const to = new URL("../internal/export/edge/dist/", import.meta.url).pathname;

for (const [entry, name] of [["worker.ts", "worker.js"], ["lambda.entry.ts", "lambda.mjs"]]) {
  await build({
    entryPoints: [here + entry], outfile: to + name, bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none", logLevel: "error",
  });
}

// CloudFront's runtime knows the language of 2009 and some of what came after: what the core uses
// of its library is replaced where it is missing, and its language is brought down.
const replaced = {
  name: "replaced",
  setup(b) {
    b.onResolve({ filter: /\/(?:slug|features)\.ts$/ }, ({ path }) => ({ path: `${here}cloudfront/${path.split("/").pop()}` }));
  },
};

// The steps of the handler between two readings of the store.
const steps = ["begin", "linkKey", "shorterKey", "partnerCodes", "finish", "logLine", "response"];
const lower = (name) => `@babel/plugin-transform-${name}`;

const core = await build({
  entryPoints: [here + "cloudfront/core.ts"], bundle: true, format: "esm", target: "es2022", minifySyntax: true, write: false, plugins: [replaced], logLevel: "error",
});
const { code } = await transformAsync(core.outputFiles[0].text, {
  configFile: false,
  assumptions: { noDocumentAll: true, iterableIsArray: true },
  plugins: [
    [lower("for-of"), { assumeArray: true }], [lower("destructuring"), { loose: true }], lower("optional-chaining"), lower("optional-catch-binding"), [lower("spread"), { loose: true }], [lower("parameters"), { loose: true }],
  ],
});
// What the handler calls is inside: the runtime has no await among arguments, which a minifier would put there.
const small = await minify(code.replace(/\bexport \{[^}]*\};?/, ""), { ecma: 2015, toplevel: true, compress: { passes: 3, unsafe_arrows: true, ecma: 2015, top_retain: steps }, mangle: { toplevel: true, reserved: steps }, format: { ecma: 2015 } });
const handler = await transform(readFileSync(here + "cloudfront/handler.js", "utf8"), { minifyWhitespace: true, minifyIdentifiers: true, target: "es2017" });
writeFileSync(to + "cloudfront.js", `import cf from "cloudfront";\n${small.code}\n${handler.code}`);
