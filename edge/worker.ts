// Sluice as a Cloudflare Worker: a visitor is answered from documents in KV, kept for a while in
// the isolate, and the click leaves when the answer has. No visitor waits for the server, and
// none sees an error of the store: who cannot be decided is sent to the default URL.

import { answerDefault, emptyDecision, siteFor } from "./core/decide.ts";
import type { Documents } from "./core/document.ts";
import { Outbox, readKeys, type Click, type Destination } from "./core/outbox.ts";
import { answer, clickOf, cookieFor, identify, type Request as Asked, type Settings } from "./core/request.ts";
import { resolve } from "./core/resolve.ts";
import { Cache } from "./core/store.ts";
import { Signer } from "./core/token.ts";
import type { Decision } from "./core/visit.ts";

interface KV {
  get(key: string, options: { type: "json"; cacheTtl: number }): Promise<unknown>;
}

interface Queue {
  sendBatch(messages: { body: Click }[]): Promise<unknown>;
}

interface Messages {
  messages: { body: Click }[];
  retryAll(): void;
}

/** Bindings; docs/edge.md says what each is for. */
interface Env {
  LINKS: KV;
  CLICKS?: Queue;
  COOKIE_KEYS?: string;
  INGEST_KEYS?: string;
  INGEST_URL?: string;
  DEFAULT_URL?: string;
  COOKIE_NAME?: string;
  COOKIE_INSECURE?: string;
  CACHE_SECONDS?: string;
  KV_MILLISECONDS?: string;
  IGNORE_GPC?: string;
  IGNORE_DNT?: string;
}

interface Context {
  waitUntil(p: Promise<unknown>): void;
}

/** What an isolate keeps from visit to visit. */
class Isolate {
  readonly settings: Settings;
  readonly cache: Cache;
  readonly outbox = new Outbox();
  readonly cacheTTL: number;
  readonly patience: number;
  readonly destination: Destination | undefined;
  private day = 0;
  private salt = new Uint8Array(32);

  constructor(
    env: Env,
    readonly signer: Signer | undefined,
  ) {
    const seconds = Number(env.CACHE_SECONDS ?? 30);
    this.settings = { cookieName: env.COOKIE_NAME ?? "sluice", cookieInsecure: env.COOKIE_INSECURE === "1", ignoreGPC: env.IGNORE_GPC === "1", ignoreDNT: env.IGNORE_DNT === "1" };
    this.cache = new Cache(seconds);
    this.cacheTTL = Math.max(60, seconds); // KV takes no less
    this.patience = Number(env.KV_MILLISECONDS ?? 250);
    if (env.INGEST_URL && env.INGEST_KEYS) {
      this.destination = { url: env.INGEST_URL, keys: readKeys(env.INGEST_KEYS), fetch: (url, init) => fetch(url, init), sleep };
    }
  }

  /** Names a visitor without a cookie for a day, with a salt that is never stored. */
  hash = async (text: string): Promise<Uint8Array> => {
    const today = Math.floor(Date.now() / 86_400_000);
    if (today !== this.day) {
      this.day = today;
      crypto.getRandomValues(this.salt);
    }
    const words = new TextEncoder().encode(text);
    const b = new Uint8Array(32 + words.length);
    b.set(this.salt);
    b.set(words, 32);
    return new Uint8Array(await crypto.subtle.digest("SHA-256", b));
  };
}

let isolate: Isolate | undefined;

/** The isolate's memory. Nothing that waits is shared: a promise belongs to the visit that began it. */
async function memory(env: Env): Promise<Isolate> {
  if (isolate) return isolate;
  let signer: Signer | undefined;
  try {
    signer = env.COOKIE_KEYS ? await Signer.create(env.COOKIE_KEYS) : undefined;
  } catch (e) {
    console.error(`COOKIE_KEYS: ${String(e)}; visitors get no cookie`);
  }
  return (isolate ??= new Isolate(env, signer));
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Reads a document, but not for longer than a visitor can be let wait. */
async function read(env: Env, i: Isolate, key: string): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`KV has not answered in ${i.patience} ms`)), i.patience);
  });
  try {
    return (await Promise.race([env.LINKS.get(key, { type: "json", cacheTtl: i.cacheTTL }), tooLong])) ?? undefined;
  } finally {
    clearTimeout(timer);
  }
}

function asked(request: Request): Asked {
  const { url, headers } = request;
  const cf = (request as { cf?: { country?: string; httpProtocol?: string } }).cf;
  const host = url.indexOf("://") + 3;
  const path = url.indexOf("/", host);
  const query = url.indexOf("?", path);
  return {
    method: request.method, scheme: url.slice(0, host - 3), proto: cf?.httpProtocol ?? "HTTP/1.1", host: url.slice(host, path),
    path: query < 0 ? url.slice(path) : url.slice(path, query), query: query < 0 ? "" : url.slice(query + 1),
    ip: headers.get("cf-connecting-ip") ?? "", country: (headers.get("cf-ipcountry") ?? cf?.country ?? "").replace(/^(?:XX|T1)$/, ""),
    header: (name) => headers.get(name) ?? "",
  };
}

/** Sends the visitor to the default when there is nothing to decide with. */
async function undecided(env: Env, documents: Documents, host: string, e: unknown, d: Decision): Promise<void> {
  console.error(`a visit could not be decided: ${String(e)}`);
  const site = d.site ? siteFor(await documents.sites(), host) : undefined; // they were there a moment ago
  answerDefault(site ?? { id: "", prefix: "/", default: env.DEFAULT_URL ?? "" }, d);
}

function reply(d: Pick<Decision, "code" | "url">, cookie: string, head: boolean): Response {
  const { headers, body } = answer(d, cookie, head);
  return new Response(body, { status: d.code, headers });
}

/** Hands a click to those who bring it to the server, after the answer. */
function record(env: Env, ctx: Context, i: Isolate, click: Click): void {
  if (env.CLICKS) {
    ctx.waitUntil(env.CLICKS.sendBatch([{ body: click }]));
    return;
  }
  const to = i.destination;
  const when = to ? i.outbox.add(click, Date.now()) : "";
  if (to && when === "send now") ctx.waitUntil(i.outbox.send(to));
  if (to && when === "send soon") ctx.waitUntil(sleep(1000).then(() => i.outbox.send(to)));
}

/** Answers a visit, and has its click brought to the server. */
async function visit(request: Request, env: Env, ctx: Context, head: boolean): Promise<Response> {
  const i = isolate ?? (await memory(env));
  const r = asked(request);
  const now = Date.now();
  const visitor = await identify(r, now, i.signer, i.settings, i.hash);
  const d = emptyDecision();
  const documents = i.cache.at(now, (key) => read(env, i, key));
  try {
    await resolve(visitor.visit, documents, d);
  } catch (e) {
    await undecided(env, documents, r.host, e, d);
  }
  const cookie = await cookieFor(r, visitor, d, i.signer, i.settings);
  record(env, ctx, i, clickOf(r, visitor, d));
  return reply(d, cookie, head);
}

export default {
  async fetch(request: Request, env: Env, ctx: Context): Promise<Response> {
    const head = request.method === "HEAD";
    if (!head && request.method !== "GET") return reply({ code: 405, url: "" }, "", false);
    try {
      return await visit(request, env, ctx, head);
    } catch (e) {
      console.error(`a visit failed: ${String(e)}`); // nobody who follows a link is to see that
      return reply(answerDefault({ id: "", prefix: "/", default: env.DEFAULT_URL ?? "" }, emptyDecision()), "", head);
    }
  },

  /** Brings clicks out of a Cloudflare Queue to the server. Those it does not take come again. */
  async queue(batch: Messages, env: Env): Promise<void> {
    const { destination } = await memory(env);
    const outbox = new Outbox();
    for (const m of batch.messages) outbox.add(m.body, 0);
    if (destination) await outbox.send(destination);
    if (!destination || outbox.counts.waiting > 0) batch.retryAll();
  },
};
