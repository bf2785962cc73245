// What the visitor's cookie carries, signed: internal/affiliate/token.go describes its bytes. Both
// versions are read and 2 is written, so that a visitor is the same one at the edge and at the server.

import { bucket } from "./bucket.ts";
import { decode32, encode32 } from "./clickid.ts";

export interface Token {
  visitor: string;
  since: number; // Unix minutes
  touches: Touch[]; // newest first
}

export interface Touch {
  program: number; // bucket of its id, 0 for none
  click: string;
}

const version = 2;
const versionWithHMAC = 1;
const headBytes = 16;
const touchBytes = 19;
const macBytes = 16;
const touchesMax = 5;
const textMax = Math.floor(((headBytes + touchesMax * touchBytes + macBytes) * 8 + 5) / 6);
export const lifetimeSeconds = 400 * 24 * 3600;

/** Seals with its first key and opens with any. */
export class Signer {
  private constructor(private readonly keys: Key[]) {}

  /** ring is the server's file keys/cookie: a line for each key, its number and its secret in hex. */
  static async create(ring: string): Promise<Signer> {
    const lines = ring.split("\n").filter((line) => line.trim() !== "");
    if (lines.length === 0) throw new Error("there is no cookie key");
    return new Signer(await Promise.all(lines.map((line) => newKey(line.trim()))));
  }

  /** The cookie's value. */
  async seal(t: Token): Promise<string> {
    const key = this.keys[0]!;
    const touches = t.touches.slice(0, touchesMax);
    const raw = new Uint8Array(headBytes + touches.length * touchBytes + macBytes);
    const view = new DataView(raw.buffer);
    raw[0] = version;
    raw[1] = key.number;
    raw.set(decode32(t.visitor), 2);
    view.setUint32(12, t.since);
    touches.forEach((touch, i) => {
      view.setUint32(headBytes + i * touchBytes, touch.program);
      raw.set(decode32(touch.click), headBytes + i * touchBytes + 4);
    });
    const body = raw.subarray(0, raw.length - macBytes);
    raw.set(await cmac(key, body), body.length);
    return toBase64(raw);
  }

  /** Reads a value; undefined for what no key has signed. */
  async open(value: string): Promise<Token | undefined> {
    const raw = value.length <= textMax ? fromBase64(value) : undefined;
    if (!raw || raw.length < headBytes + macBytes || (raw.length - headBytes - macBytes) % touchBytes !== 0) return undefined;
    const body = raw.subarray(0, raw.length - macBytes);
    const key = this.keys.find((k) => k.number === body[1]);
    if (!key) return undefined;
    let mac: Uint8Array;
    if (body[0] === version) mac = await cmac(key, body);
    else if (body[0] === versionWithHMAC) mac = new Uint8Array(await crypto.subtle.sign("HMAC", key.hmac, body as BufferSource));
    else return undefined;
    let differs = 0;
    for (let i = 0; i < macBytes; i++) differs |= mac[i]! ^ raw[body.length + i]!;
    return differs === 0 ? read(body) : undefined;
  }
}

function read(body: Uint8Array): Token {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const t: Token = { visitor: encode32(body.subarray(2, 12)), since: view.getUint32(12), touches: [] };
  for (let at = headBytes; at < body.length; at += touchBytes) {
    t.touches.push({ program: view.getUint32(at), click: encode32(body.subarray(at + 4, at + touchBytes)) });
  }
  return t;
}

/** Puts a click in front; it replaces an older one of the same program. */
export function touch(t: Token, program: string, click: string): void {
  const next = { program: program === "" ? 0 : bucket(program), click };
  const oldest = timeOf(click) - lifetimeSeconds * 1000;
  const kept = t.touches.filter((old) => old.program !== next.program && timeOf(old.click) > oldest);
  t.touches = [next, ...kept.slice(0, touchesMax - 1)];
}

/** The time of a click in Unix milliseconds. */
function timeOf(click: string): number {
  const b = new DataView(decode32(click).buffer);
  return b.getUint32(0) * 65536 + b.getUint16(4);
}

interface Key {
  number: number;
  hmac: CryptoKey;
  aes: CryptoKey;
  whole: Uint8Array; // RFC 4493's K1: what is mixed into the last block
  padded: Uint8Array; // K2
}

const purpose = "sluice token, version 2: AES-128-CMAC";

async function newKey(line: string): Promise<Key> {
  const [number, hex] = line.split(/\s+/);
  const secret = Uint8Array.from(hex?.match(/../g) ?? [], (b) => parseInt(b, 16));
  if (!/^\d+$/.test(number ?? "") || secret.length < 32) throw new Error("the cookie keys are not lines of a number and 32 bytes in hex");
  const hmac = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const derived = new Uint8Array(await crypto.subtle.sign("HMAC", hmac, new TextEncoder().encode(purpose))).slice(0, 16);
  const aes = await crypto.subtle.importKey("raw", derived, "AES-CBC", false, ["encrypt"]);
  const whole = double((await encrypt(aes, new Uint8Array(16))).slice(0, 16));
  return { number: Number(number), hmac, aes, whole, padded: double(whole) };
}

/** Multiplies by x in GF(2^128). */
function double(b: Uint8Array): Uint8Array {
  const out = new Uint8Array(16);
  for (let i = 0; i < 16; i++) out[i] = (b[i]! << 1) | (i < 15 ? b[i + 1]! >> 7 : 0);
  if (b[0]! & 0x80) out[15] = out[15]! ^ 0x87;
  return out;
}

async function encrypt(key: CryptoKey, b: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv: new Uint8Array(16) }, key, b as BufferSource));
}

/**
 * AES-128-CMAC (RFC 4493): the last block of the message in CBC, with K1 or K2 mixed into it.
 * What stands behind that block is the padding that WebCrypto adds.
 */
async function cmac(key: Key, message: Uint8Array): Promise<Uint8Array> {
  const blocks = Math.max(1, Math.ceil(message.length / 16));
  const padded = new Uint8Array(blocks * 16);
  padded.set(message);
  const whole = message.length === padded.length;
  if (!whole) padded[message.length] = 0x80;
  const mix = whole ? key.whole : key.padded;
  for (let i = 0; i < 16; i++) padded[padded.length - 16 + i] = padded[padded.length - 16 + i]! ^ mix[i]!;
  return (await encrypt(key.aes, padded)).slice(padded.length - 16, padded.length);
}

function toBase64(b: Uint8Array): string {
  return btoa(String.fromCharCode(...b)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Decodes unpadded base64url in its one spelling. */
function fromBase64(s: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(s) || s.length % 4 === 1) return undefined;
  const b = Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  return toBase64(b) === s ? b : undefined;
}
