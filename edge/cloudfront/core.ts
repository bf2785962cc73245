// What a CloudFront Function does between two readings of its store: the function itself is in
// handler.js, in the words that CloudFront's runtime knows.

import { answerDefault, decide, emptyDecision, partnerOf, siteFor, withoutPartner } from "../core/decide.ts";
import type { Link, Partner, Program, Site, Sites } from "../core/document.ts";
import { canonicalSlug, nameInPath } from "../core/slug.ts";
import { bytes } from "../core/text.ts";
import type { Decision, Visit } from "../core/visit.ts";

interface Value {
  value: string;
  multiValue?: { value: string }[];
}

/** The event that CloudFront hands over. */
export interface Event {
  viewer: { ip: string };
  request: { method: string; uri: string; querystring: Record<string, Value>; headers: Record<string, Value>; cookies: Record<string, Value> };
}

/** A visit on its way. */
export interface Way {
  event: Event;
  visit: Visit;
  decision: Decision;
  site: Site | undefined;
  inPath: string;
}

const robots = /bot\b|crawl|spider|slurp|preview|facebookexternalhit|whatsapp|fetcher|archiver|monitor|https?:\/\//i;

function header(e: Event, name: string): string {
  return e.request.headers[name]?.value ?? "";
}

function deviceOf(e: Event, robot: boolean): string {
  if (robot) return "bot";
  for (const [name, device] of [["smarttv", "tv"], ["tablet", "tablet"], ["mobile", "phone"], ["desktop", "desktop"]]) {
    if (header(e, `cloudfront-is-${name}-viewer`) === "true") return device!;
  }
  return "other";
}

function queryOf(e: Event): string {
  const pairs: string[] = [];
  for (const name in e.request.querystring) {
    const q = e.request.querystring[name]!;
    for (const { value } of q.multiValue ?? [q]) pairs.push(value === "" ? name : name + "=" + value);
  }
  return pairs.join("&");
}

function hex(n: number): string {
  let s = "";
  while (s.length < n) s += Math.floor(Math.random() * 16).toString(16);
  return s;
}

/** A click's id in the spelling that nginx uses too: "z" for the first 1, the other digits of the Unix time in milliseconds, chance. */
function newClickID(now: number): string {
  return "z" + String(now).slice(1) + hex(11);
}

/** Who comes, by a cookie of our own: the server's cannot be read here. */
function visitorOf(e: Event): string {
  const own = e.request.cookies["sluice_v"]?.value ?? "";
  return /^[0-9a-hjkmnp-tv-z]{16}$/.test(own) ? own : "";
}

export function begin(event: Event, now: number): Way {
  const robot = robots.test(header(event, "user-agent"));
  const followed = !robot && header(event, "sec-gpc") !== "1" && header(event, "dnt") !== "1";
  const known = followed ? visitorOf(event) : "";
  const visit: Visit = {
    host: header(event, "host"), path: bytes(event.request.uri), query: bytes(queryOf(event)), time: now, clickID: newClickID(now),
    visitor: known || (followed ? hex(16) : ""), returning: known !== "", action: robot ? "decoy" : "pass",
    language: header(event, "accept-language"), referrer: header(event, "referer"), country: header(event, "cloudfront-viewer-country"), device: deviceOf(event, robot),
  };
  return { event, visit, decision: emptyDecision(), site: undefined, inPath: "" };
}

/** The key of the link that is asked for; "" for none. */
export function linkKey(w: Way, sites: Sites | undefined): string {
  const { decision: d, visit: v } = w;
  w.site = sites && siteFor(sites, v.host);
  if (!w.site) return "";
  d.site = w.site.id;
  const name = nameInPath(v.path, w.site.prefix);
  if (name === undefined) return "";
  answerDefault(w.site, d);
  d.slug = canonicalSlug(name) ?? "";
  return d.slug && `l/${d.site}/${d.slug}`;
}

/** The key of the link that is asked for through a partner; "" for none. */
export function shorterKey(w: Way): string {
  const short = withoutPartner(w.decision.slug);
  if (!short) return "";
  w.inPath = short.partner;
  return `l/${w.decision.site}/${short.slug}`;
}

/** The partners that matter. */
export function partnerCodes(w: Way, link: Link, program: Program | undefined): string[] {
  return program ? [link.p ?? "", partnerOf(w.visit, program, w.inPath)].filter((code) => code !== "") : [];
}

/** Decides, when all has been read. */
export function finish(w: Way, link: Link, program: Program | undefined, codes: string[], partners: (Partner | undefined)[]): void {
  const d = w.decision;
  d.why = 0;
  d.url = "";
  if (w.inPath) d.slug = d.slug.slice(0, d.slug.length - w.inPath.length - 1);
  decide(w.visit, w.site!, { link, program, inPath: w.inPath, partner: (code) => partners[codes.indexOf(code)] }, d);
}

const logged = "agent:user-agent accept dnt gpc:sec-gpc sec_purpose:sec-purpose fetch_dest:sec-fetch-dest fetch_mode:sec-fetch-mode fetch_site:sec-fetch-site".split(" ");

/** The click, as a line of the log. */
export function logLine(w: Way): string {
  const { event: e, visit: v, decision: d } = w;
  const click: Record<string, unknown> = {
    id: v.clickID, host: v.host, path: e.request.uri, query: v.query, method: e.request.method, scheme: "https", visitor: v.visitor, returning: v.returning, ip: e.viewer.ip,
    country: v.country, referrer: v.referrer, language: v.language,
  };
  for (const name in d) if (name !== "why") click[name] = d[name as keyof Decision];
  for (const pair of logged) {
    const names = pair.split(":");
    click[names[0]!] = header(e, names[1] ?? names[0]!);
  }
  return JSON.stringify(click);
}

export function response(w: Way): unknown {
  const { decision: d, visit: v } = w;
  const headers: Record<string, Value> = { "cache-control": { value: "no-store" }, "x-robots-tag": { value: "noindex" } };
  if (!d.url) return { statusCode: d.code, statusDescription: d.code === 403 ? "Forbidden" : "Not Found", headers };
  headers["location"] = { value: d.url };
  headers["referrer-policy"] = { value: "no-referrer-when-downgrade" };
  const cookies = d.link && v.visitor ? { sluice_v: { value: v.visitor, attributes: "Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure" } } : {};
  return { statusCode: d.code, statusDescription: "Found", headers, cookies };
}
