// What a visitor's request tells, whichever runtime has received it.

import { classify, isDeclaredBot, type Agent } from "./agent.ts";
import { newClickID, newVisitorID } from "./clickid.ts";
import { touch, type Signer, type Token } from "./token.ts";
import { whyNames, type Decision, type Visit } from "./visit.ts";

/** A request, as far as it matters; headers by their names in lower case, "" for those not sent. */
export interface Request {
  method: string;
  scheme: string;
  proto: string; // "HTTP/1.1"
  host: string;
  path: string; // as sent, percent-encoded
  query: string; // without "?"
  ip: string;
  country: string; // "" for unknown
  header(name: string): string;
}

/** What an operator may choose. */
export interface Settings {
  cookieName: string;
  cookieInsecure: boolean;
  ignoreGPC: boolean;
  ignoreDNT: boolean;
}

/** Who came, and all that is known before the decision. */
export interface Visitor {
  visit: Visit;
  agent: Agent;
  token: Token | undefined; // undefined for who gets no cookie
  returning: boolean;
  refused: boolean; // came with a cookie that nobody here has signed
}

const agents = new Map<string, Agent>();

function agentOf(r: Request): Agent {
  const mobile = r.header("sec-ch-ua-mobile");
  const key = mobile + r.header("user-agent").slice(0, 1024);
  let agent = agents.get(key);
  if (!agent) {
    agent = classify(r.header("user-agent"), mobile);
    if (agents.size >= 1000) agents.clear();
    agents.set(key, agent);
  }
  return agent;
}

/** Finds out who comes. Without a signer nobody gets a cookie. */
export async function identify(r: Request, now: number, signer: Signer | undefined, s: Settings, hashOf: (text: string) => Promise<Uint8Array>): Promise<Visitor> {
  const random = crypto.getRandomValues(new Uint8Array(17));
  const agent = agentOf(r);
  const isBot = isDeclaredBot(agent);
  const v: Visitor = { visit: visitOf(r, now, agent, isBot), agent, token: undefined, returning: false, refused: false };
  v.visit.clickID = newClickID(now, random.subarray(10));
  const asksNotTo = (r.header("sec-gpc") === "1" && !s.ignoreGPC) || (r.header("dnt") === "1" && !s.ignoreDNT);
  if (isBot || asksNotTo || !signer) {
    v.visit.visitor = newVisitorID(await hashOf(`${r.ip}\0${r.host}\0${r.header("user-agent")}`));
    return v;
  }
  const cookie = cookieValue(r.header("cookie"), s.cookieName);
  v.token = cookie === "" ? undefined : await signer.open(cookie);
  v.returning = v.visit.returning = v.token !== undefined;
  v.refused = cookie !== "" && !v.token;
  v.token ??= { visitor: newVisitorID(random), since: Math.floor(now / 60000), touches: [] };
  v.visit.visitor = v.token.visitor;
  return v;
}

function visitOf(r: Request, now: number, agent: Agent, isBot: boolean): Visit {
  return {
    host: r.host, path: r.path, query: r.query, time: now, clickID: "", visitor: "", returning: false, action: isBot ? "decoy" : "pass",
    language: r.header("accept-language"), referrer: r.header("referer"), country: r.country, device: agent.device,
  };
}

export function cookieValue(header: string, name: string): string {
  if (header.indexOf(name) < 0) return "";
  for (const pair of header.split(";")) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim().replace(/^"|"$/g, "");
  }
  return "";
}

/** Says that no person has asked for this yet. */
export function prefetches(r: Request): boolean {
  const all = ["sec-purpose", "purpose", "x-purpose", "x-moz"].map((name) => r.header(name)).join(";");
  return all.length > 3 && /(?:^|;)\s*(?:prefetch|prerender|preview)\s*(?:;|$)/i.test(all);
}

/** The Set-Cookie value of a visitor who followed a link; the click becomes the newest touch. */
export async function cookieFor(r: Request, v: Visitor, d: Decision, signer: Signer | undefined, s: Settings): Promise<string> {
  if (!v.token || !signer || d.link === 0 || d.outcome === "block" || d.outcome === "not_found") return "";
  if (r.method !== "HEAD" && !prefetches(r)) touch(v.token, d.program, v.visit.clickID);
  return `${s.cookieName}=${await signer.seal(v.token)}; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax${s.cookieInsecure ? "" : "; Secure"}`;
}

/** The click as it travels to the server; docs/ingest.md names the fields. Texts are a little longer than the server keeps them, so that it sees that they were cut. */
export function clickOf(r: Request, v: Visitor, d: Decision): Record<string, unknown> {
  const click: Record<string, unknown> = {
    id: v.visit.clickID, host: r.host, path: r.path.slice(0, 1025), query: r.query.slice(0, 1025), method: r.method, proto: r.proto, scheme: r.scheme,
    outcome: d.outcome, code: d.code, why: whyNames(d.why).join(","), url: d.url.slice(0, 4097), link: d.link, site: d.site, slug: d.slug,
    program: d.program, partner: d.partner, variant: d.variant, rule: d.rule, page: d.page, visitor: v.visit.visitor, returning: v.returning,
    cookie_refused: v.refused, ip: r.ip, country: r.country,
  };
  for (const [field, name, max] of sent) click[field] = r.header(name).slice(0, max);
  for (const field in click) if (!click[field]) delete click[field];
  return click;
}

const sent: [field: string, name: string, max: number][] = [
  ["agent", "user-agent", 513], ["referrer", "referer", 1025], ["language", "accept-language", 129], ["accept", "accept", 129],
  ["dnt", "dnt", 9], ["gpc", "sec-gpc", 9], ["sec_purpose", "sec-purpose", 65], ["purpose", "purpose", 65], ["x_purpose", "x-purpose", 65],
  ["x_moz", "x-moz", 65], ["fetch_dest", "sec-fetch-dest", 33], ["fetch_mode", "sec-fetch-mode", 33], ["fetch_site", "sec-fetch-site", 33],
  ["fetch_user", "sec-fetch-user", 9], ["hints", "sec-ch-ua", 257], ["hint_mobile", "sec-ch-ua-mobile", 9],
];

const pages: Record<number, [string, string]> = {
  403: ["This link is for people", "Automatic requests are not served here."],
  404: ["This link leads nowhere", "It may have been mistyped, or it is no longer offered."],
  405: ["A link can only be followed", "Use GET or HEAD."],
};

/** The headers and the body of an answer. */
export function answer(d: Pick<Decision, "code" | "url">, cookie: string, head: boolean): { headers: Record<string, string>; body: string | null } {
  const headers: Record<string, string> = { "cache-control": "no-store", "x-robots-tag": "noindex" };
  if (cookie) headers["set-cookie"] = cookie;
  if (d.url) {
    headers["location"] = d.url;
    headers["referrer-policy"] = "no-referrer-when-downgrade";
    return { headers, body: null };
  }
  const [title, text] = pages[d.code] ?? pages[404]!;
  headers["content-type"] = "text/html; charset=utf-8";
  headers["x-content-type-options"] = "nosniff";
  if (d.code === 405) headers["allow"] = "GET, HEAD";
  const body =
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>` +
    `<style>body{font:18px/1.5 system-ui,sans-serif;max-width:32em;margin:20vh auto;padding:0 1em;color:#223}</style><h1>${title}</h1><p>${text}</p></html>\n`;
  return { headers, body: head ? null : body };
}
