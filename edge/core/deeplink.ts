// Which pages of a merchant a visit may choose: nobody can make a link lead elsewhere.

import { lowerASCII } from "./text.ts";

const pageBytesMax = 8192;

/** Says whether a page is on one of a program's hosts; docs/formats/decisions.md has each rule. */
export function allowsDeepLink(hosts: string[], page: string): boolean {
  if (page.length > pageBytesMax || /[^\x21-\x7e]|["<>\\^`{|}]|%(?![0-9A-Fa-f]{2})/.test(page)) return false;
  const m = /^(https?):\/\/([A-Za-z0-9._-]+(?::\d{1,5})?)(?=[/?#]|$)/i.exec(page);
  if (!m) return false;
  const host = lowerASCII(m[2] ?? "");
  return hosts.some((entry) => {
    const plainHTTP = entry.startsWith("http://");
    const pattern = plainHTTP ? entry.slice(7) : entry;
    if (!plainHTTP && m[1]?.length === 4) return false;
    return pattern.startsWith("*.") ? host.length > pattern.length - 1 && host.endsWith(pattern.slice(1)) : host === pattern;
  });
}
