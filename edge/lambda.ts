// Sluice as a Lambda@Edge function, for the viewer request or the origin request of CloudFront.
// Lambda@Edge has no environment: what is configured lies in files beside the code.

import { answerDefault, emptyDecision } from "./core/decide.ts";
import type { Documents, Link, Partner, Program, Sites } from "./core/document.ts";
import { Outbox, readKeys, type Destination } from "./core/outbox.ts";
import { answer, clickOf, cookieFor, identify, type Request, type Settings, type Visitor } from "./core/request.ts";
import { resolve } from "./core/resolve.ts";
import { bytes } from "./core/text.ts";
import { Signer } from "./core/token.ts";

/** The event that CloudFront hands over. */
export interface Event {
  Records: { cf: { config?: { requestId?: string }; request: EventRequest } }[];
}

interface EventRequest {
  clientIp: string;
  method: string;
  uri: string; // the path, percent-encoded
  querystring: string;
  headers: Record<string, { key?: string; value: string }[]>;
}

export interface EventResponse {
  status: string;
  headers: Record<string, { key: string; value: string }[]>;
  body?: string;
}

/** The file config.json. */
export interface Config {
  ingestURL?: string;
  documentsURL?: string; // where newer documents are, as documents.json; "" to serve those beside the code
  cacheSeconds?: number; // how long they are good; 60
  clickMilliseconds?: number; // how long an answer waits for its click to be taken; 0
  cookieName?: string;
  cookieInsecure?: boolean;
  ignoreGPC?: boolean;
  ignoreDNT?: boolean;
}

/** What a function is made of. */
export interface Parts {
  config: Config;
  documents: Record<string, unknown>;
  cookieKeys?: string; // the server's file keys/cookie
  ingestKeys?: string; // lines of "sluice ingest key"
  fetch: (url: string, init?: RequestInit) => Promise<Response>;
  now?: () => number;
  /** For tests: what is known of who comes. */
  identify?: typeof identify;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Makes the function. */
export function create(parts: Parts): (event: Event) => Promise<EventResponse> {
  const { config } = parts;
  const now = parts.now ?? Date.now;
  const settings: Settings = {
    cookieName: config.cookieName ?? "sluice", cookieInsecure: config.cookieInsecure ?? false, ignoreGPC: config.ignoreGPC ?? false, ignoreDNT: config.ignoreDNT ?? false,
  };
  const signer = parts.cookieKeys ? Signer.create(parts.cookieKeys).catch(withoutCookies) : undefined;
  const outbox = new Outbox();
  const destination: Destination | undefined =
    config.ingestURL && parts.ingestKeys ? { url: config.ingestURL, keys: readKeys(parts.ingestKeys), fetch: parts.fetch, sleep } : undefined;
  const bundle = new Bundle(parts.documents, config, parts.fetch);
  const salt = crypto.getRandomValues(new Uint8Array(32)); // an instance lives for hours, and its salt with it
  const hash = async (text: string): Promise<Uint8Array> =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array([...salt, ...new TextEncoder().encode(text)])));

  return async (event) => {
    const asked = event.Records[0]!.cf.request;
    const head = asked.method === "HEAD";
    if (!head && asked.method !== "GET") return reply(405, "", "", false);
    const r = requestOf(asked);
    const at = now();
    const visitor: Visitor = await (parts.identify ?? identify)(r, at, await signer, settings, hash);
    const d = emptyDecision();
    try {
      await resolve(visitor.visit, bundle.at(at), d);
    } catch (e) {
      console.error(`a visit could not be decided: ${String(e)}`);
      answerDefault(undefined, d);
    }
    const cookie = await cookieFor(r, visitor, d, await signer, settings);
    if (destination) {
      outbox.add(clickOf(r, visitor, d), at);
      // What is not taken by then goes on with the next visit: an instance stands still between two.
      await Promise.race([outbox.send(destination), sleep(config.clickMilliseconds ?? 0)]);
    }
    return reply(d.code, d.url, cookie, head);
  };
}

function withoutCookies(e: unknown): undefined {
  console.error(`cookie-keys: ${String(e)}; visitors get no cookie`);
}

/** The documents, replaced by newer ones behind the visitors' backs. */
class Bundle {
  private next = 0;
  private etag = "";

  constructor(
    private all: Record<string, unknown>,
    private readonly config: Config,
    private readonly fetch: Parts["fetch"],
  ) {}

  at(now: number): Documents {
    if (this.config.documentsURL && now >= this.next) {
      this.next = now + (this.config.cacheSeconds ?? 60) * 1000;
      void this.refresh(this.config.documentsURL);
    }
    const all = this.all;
    const get = (key: string): unknown => (Object.hasOwn(all, key) ? all[key] : undefined);
    return {
      sites: () => get("s") as Sites,
      link: (site, slug) => get(`l/${site}/${slug}`) as Link | undefined,
      program: (id) => get(`g/${id}`) as Program | undefined,
      partner: (program, code) => get(`p/${program}/${code}`) as Partner | undefined,
    };
  }

  private async refresh(url: string): Promise<void> {
    try {
      const response = await this.fetch(url, { headers: this.etag ? { "if-none-match": this.etag } : {}, signal: AbortSignal.timeout(10_000) });
      if (response.status === 304) return;
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      const documents = (await response.json()) as Record<string, unknown>;
      if (!documents["s"]) throw new Error("there are no sites in it");
      this.all = documents;
      this.etag = response.headers.get("etag") ?? "";
    } catch (e) {
      console.error(`${url} cannot be read, the known documents are served on: ${String(e)}`);
    }
  }
}

function requestOf(q: EventRequest): Request {
  const header = (name: string): string => q.headers[name]?.map((h) => h.value).join(name === "cookie" ? "; " : ", ") ?? "";
  return {
    method: q.method, scheme: header("cloudfront-forwarded-proto") || "https", proto: "HTTP/" + (header("cloudfront-viewer-http-version") || "1.1"), host: header("host"),
    path: bytes(q.uri), query: bytes(q.querystring), ip: q.clientIp, country: header("cloudfront-viewer-country"), header,
  };
}

const reasons: Record<number, string> = { 301: "Moved Permanently", 302: "Found", 307: "Temporary Redirect", 308: "Permanent Redirect", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed" };

function reply(code: number, url: string, cookie: string, head: boolean): EventResponse {
  const { headers, body } = answer({ code, url }, cookie, head);
  const response: EventResponse & { statusDescription?: string } = { status: String(code), headers: {} };
  response.statusDescription = reasons[code] ?? "Found";
  for (const [key, value] of Object.entries(headers)) response.headers[key] = [{ key, value }];
  if (body) response.body = body;
  return response;
}
