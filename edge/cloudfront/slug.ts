// Names of links in CloudFront's runtime, which knows neither Unicode's classes nor its normal
// forms: a name beyond ASCII is found in lower case and composed, as most keyboards make it.

import { text } from "../core/text.ts";

export { nameInPath } from "../core/path.ts";

const trailing = /[.,;:!?'")\]}>\-_~/]+$/;
const segment = /^[a-z0-9\x80-\uffff][a-z0-9\-._~\x80-\uffff]*$/;

/** The canonical form of a decoded name, undefined when it has none. */
export function canonicalSlug(name: string): string | undefined {
  const decoded = text(name);
  if (decoded === undefined) return undefined;
  const segments = decoded.toLowerCase().split("/").filter((s) => s !== "");
  const slug = segments.join("/").replace(trailing, "");
  return slug !== "" && name.length <= 600 && slug.split("/").every((s) => segment.test(s)) ? slug : undefined;
}
