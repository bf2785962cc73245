// The decision vectors with the documents for them, as the exporter writes these.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** vectors reads the files of testdata/decisions: [{name, documents, cases: [{name, documents, visit, expect}]}]. */
export function vectors() {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  return JSON.parse(execFileSync("go", ["run", "./test/vectors"], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 }));
}

/** answer brings a decision into the form of the expectations, without what is empty. */
export function answer(decision) {
  return Object.fromEntries(Object.entries(decision).filter(([, value]) => value !== "" && value !== 0));
}
