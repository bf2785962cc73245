// Where in a path the name of a link begins.

import { equalFold, unescapePath } from "./text.ts";

/**
 * Cuts a site's prefix from a path as sent and returns the name that follows, decoded; "" for
 * the prefix alone and for the root of the host, undefined for a path that is neither.
 */
export function nameInPath(path: string, prefix: string): string | undefined {
  if (path.startsWith(prefix) && path.indexOf("%", prefix.length) < 0) return path.slice(prefix.length);
  let rest = unescapePath(path).replace(/^\/+/, "");
  if (rest === "") return "";
  for (const want of prefix.split("/").filter((s) => s !== "")) {
    const end = rest.indexOf("/");
    if (!equalFold(end < 0 ? rest : rest.slice(0, end), want)) return undefined;
    rest = end < 0 ? "" : rest.slice(end).replace(/^\/+/, "");
  }
  return rest;
}
