// The table of docs/targets.md: what a target answers alike, and what its export lists.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";

const path = new URL("../../docs/targets.md", import.meta.url);
const head = "| vectors | cases |";

/** Tally counts what became of the cases of one file of vectors. */
export class Tally {
  alike = 0;
  reasons = new Map();

  listed(what) {
    this.reasons.set(what, (this.reasons.get(what) ?? 0) + 1);
  }

  get cell() {
    const listed = [...this.reasons.values()].reduce((a, b) => a + b, 0);
    if (listed === 0) return `${this.alike} alike`;
    return `${this.alike} alike, ${listed} listed: ${[...this.reasons].sort().map(([what, n]) => `${n} \`${what}\``).join(", ")}`;
  }
}

/** checkColumn wants the column of a target to say what has been found; with UPDATE=1 it is written. tallies are by the file's name. */
export function checkColumn(target, tallies) {
  const text = readFileSync(path, "utf8");
  const at = text.indexOf(head);
  assert.ok(at >= 0, "there is no table in docs/targets.md");
  const lines = text.slice(at).split("\n");
  const end = lines.findIndex((line) => !line.startsWith("|"));
  const cells = (line) => line.split("|").slice(1, -1).map((c) => c.trim());
  const table = lines.slice(0, end).map(cells);
  let column = table[0].indexOf(target);
  if (column < 0) column = table[0].push(target) - 1;
  table.forEach((row, i) => {
    if (i === 1) row[column] = "---";
    else if (i > 1) row[column] = tallies.get(row[0])?.cell ?? "";
  });
  const want = text.slice(0, at) + table.map((row) => `| ${row.join(" | ")} |`).join("\n") + "\n" + lines.slice(end).join("\n");
  if (want !== text && process.env.UPDATE) writeFileSync(path, want);
  else assert.equal(text, want, `docs/targets.md is not what ${target} answers; run this test with UPDATE=1 and look at the difference`);
}
