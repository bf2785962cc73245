// Ids of clicks and visitors: Crockford's base 32 in lower case, as internal/affiliate has them.

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** Encodes bytes, a multiple of five of them. */
export function encode32(b: Uint8Array): string {
  let out = "";
  for (let i = 0; i + 5 <= b.length; i += 5) {
    const high = (b[i]! << 12) | (b[i + 1]! << 4) | (b[i + 2]! >> 4);
    const low = ((b[i + 2]! & 15) << 16) | (b[i + 3]! << 8) | b[i + 4]!;
    for (const n of [high, low]) {
      out += alphabet[n >> 15]! + alphabet[(n >> 10) & 31]! + alphabet[(n >> 5) & 31]! + alphabet[n & 31]!;
    }
  }
  return out;
}

/** Decodes what encode32 wrote. */
export function decode32(s: string): Uint8Array {
  const b = new Uint8Array((s.length / 8) * 5);
  for (let i = 0, at = 0; i < s.length; i += 4) {
    let n = 0;
    for (let k = 0; k < 4; k++) n = (n << 5) | alphabet.indexOf(s[i + k]!);
    if (i % 8 === 0) {
      b[at] = n >> 12;
      b[at + 1] = n >> 4;
      b[at + 2] = n << 4;
      at += 2;
    } else {
      b[at] = b[at]! | (n >> 16);
      b[at + 1] = n >> 8;
      b[at + 2] = n;
      at += 3;
    }
  }
  return b;
}

/**
 * A click's id: 48 bits of Unix milliseconds, 16 of the node, 56 of chance. Edge workers share
 * node 0xfffe: there are more of them than nodes could be numbered, and chance tells them apart.
 */
export function newClickID(ms: number, random: Uint8Array): string {
  const b = new Uint8Array(15);
  const view = new DataView(b.buffer);
  view.setUint32(0, Math.floor(ms / 65536));
  view.setUint16(4, ms % 65536);
  view.setUint16(6, 0xfffe);
  b.set(random.subarray(0, 7), 8);
  return encode32(b);
}

/** A visitor's id: 80 bits of chance. */
export function newVisitorID(random: Uint8Array): string {
  return encode32(random.subarray(0, 10));
}
