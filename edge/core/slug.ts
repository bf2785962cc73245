// Names of links: every spelling of one finds the same link. The rules are step by step those
// of docs/formats/decisions.md.

import { text } from "./text.ts";

export { nameInPath } from "./path.ts";

const slugBytesMax = 200;
const trailing = /[.,;:!?'")\]}>\-_~/]+$/;
const plain = /^(?=.{1,200}$)[a-z0-9][a-z0-9\-._~]*(?:\/[a-z0-9][a-z0-9\-._~]*)*$/;
const shape = /^[\p{L}\p{Nd}][\p{L}\p{Nd}\p{M}\-._~]*(?:\/[\p{L}\p{Nd}][\p{L}\p{Nd}\p{M}\-._~]*)*$/u;
const tooManyMarks = /\p{M}{9}/u;
// Libraries disagree on composing a mark with a code point beyond U+FFFF.
const undecidable = /[\u{10000}-\u{10ffff}](?=[\u0000-\uffff])\p{M}/u;

/** The canonical form of a decoded name, undefined when it has none. */
export function canonicalSlug(name: string): string | undefined {
  if (plain.test(name) && !/[\-._~]$/.test(name)) return name;
  const decoded = text(name);
  if (decoded === undefined || undecidable.test(decoded)) return undefined;
  let slug = "";
  for (const c of decoded.normalize("NFC")) {
    const lower = c.toLowerCase();
    slug += c !== "\u0130" && [...lower].length === 1 ? lower : c;
  }
  slug = slug.normalize("NFC").split("/").filter(Boolean).join("/").replace(trailing, "");
  const fine = shape.test(slug) && !tooManyMarks.test(slug) && !undecidable.test(slug) && new TextEncoder().encode(slug).length <= slugBytesMax;
  return fine ? slug : undefined;
}
