// Text as the rules of decisions see it: a visit's text is bytes, and here a string with one
// character for each of them, so that what is not UTF-8 survives. Documents are ordinary
// strings, made of ASCII but for slugs and values to compare with.

/** The bytes of a string in UTF-8, one character each. */
export function bytes(s: string): string {
  for (let i = 0; i < s.length; i++) {
    if (s.charCodeAt(i) > 0x7f) {
      let b = "";
      for (const byte of new TextEncoder().encode(s)) b += String.fromCharCode(byte);
      return b;
    }
  }
  return s;
}

/** The text of bytes, or undefined when they are not UTF-8. */
export function text(b: string): string | undefined {
  let plain = true;
  for (let i = 0; i < b.length && plain; i++) plain = b.charCodeAt(i) < 0x80;
  if (plain) return b;
  try {
    const raw = new Uint8Array(b.length);
    for (let i = 0; i < b.length; i++) raw[i] = b.charCodeAt(i);
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    return undefined;
  }
}

/** Percent-decodes once; a broken escape stays as it is. */
export function unescapePath(s: string): string {
  return s.indexOf("%") < 0 ? s : s.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** Decodes a form value: "+" is a space. */
export function unescapeQuery(s: string): string {
  return unescapePath(s.indexOf("+") < 0 ? s : s.replace(/\+/g, " "));
}

function hex(c: string): string {
  const code = c.charCodeAt(0);
  return (code < 16 ? "%0" : "%") + code.toString(16).toUpperCase();
}

/** Percent-encodes the characters that do not match. */
function encode(s: string, kept: RegExp): string {
  let out = "";
  for (let i = 0; i < s.length; i++) out += kept.test(s.charAt(i)) ? s.charAt(i) : hex(s.charAt(i));
  return out;
}

/**
 * Percent-encodes all but unreserved characters; raw lets those pass too that have a meaning in
 * URLs, except "#", which would cut off what the operator wrote behind it.
 */
export function escape(s: string, raw: boolean): string {
  return encode(s, raw ? /[A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=]/ : /[A-Za-z0-9\-._~]/);
}

/** Encodes of an encoded value only what no URL may contain. */
export function asSent(s: string): string {
  return encode(s, /[!$-;=?-[\]_a-z~]/);
}

/** The most bytes that one value of a visitor adds to a URL. */
const valueBytesMax = 256;

/** Shortens a visitor's value, before a character that would be split. */
export function cut(s: string): string {
  if (s.length <= valueBytesMax) return s;
  let n = valueBytesMax;
  while (n > valueBytesMax - 4 && (s.charCodeAt(n) & 0xc0) === 0x80) n--;
  return s.slice(0, n);
}

/** Lower-cases ASCII letters and no others. */
export function lowerASCII(s: string): string {
  return s.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Compares without regard to the case of ASCII letters. */
export function equalFold(a: string, b: string): boolean {
  return a === b || (a.length === b.length && lowerASCII(a) === lowerASCII(b));
}

/** Splits at the first separator; the second part is undefined when there is none. */
export function split(s: string, separator: string): [string, string | undefined] {
  const at = s.indexOf(separator);
  return at < 0 ? [s, undefined] : [s.slice(0, at), s.slice(at + 1)];
}

/** The first value of a parameter, decoded; undefined when there is none of that name. */
export function queryValue(query: string, name: string): string | undefined {
  if (name === "" || query.indexOf(name) < 0) return undefined;
  for (const pair of query.split("&")) {
    const [key, value] = split(pair, "=");
    if (key === name) return unescapeQuery(value ?? "");
  }
  return undefined;
}

/** A host without port and trailing dot, in lower case. */
export function canonicalHost(h: string): string {
  const port = h.endsWith("]") ? -1 : h.lastIndexOf(":");
  if (port >= 0) h = h.slice(0, port);
  return lowerASCII(h.endsWith(".") ? h.slice(0, -1) : h);
}

/** The host of a URL of any scheme, "" for none. */
export function urlHost(url: string): string {
  const at = url.indexOf("://");
  if (at < 0 || /[/?#]/.test(url.slice(0, at))) return "";
  const authority = url.slice(at + 3).split(/[/?#]/, 1)[0] ?? "";
  return canonicalHost(authority.slice(authority.lastIndexOf("@") + 1));
}
