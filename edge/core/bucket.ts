// How visitors are shared among destinations: FNV-1a with the mixer of MurmurHash3, in 32 bits.

import { bytes } from "./text.ts";

/** The bucket of a key, an unsigned 32-bit number. */
export function bucket(key: string): number {
  let h = 0x811c9dc5;
  const b = bytes(key);
  for (let i = 0; i < b.length; i++) h = Math.imul(h ^ b.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Scales a bucket to [0, total); exact while total is at most 2^21. */
export function share(b: number, total: number): number {
  return Math.floor((b * total) / 4294967296);
}
