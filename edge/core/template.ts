// From a template to the URL that a visitor is sent to.

import { deepLinks, handingOn } from "./features.ts";
import type { Handing, Link, Part, Program, Target, Template } from "./document.ts";
import { asSent, bytes, cut, equalFold, escape, lowerASCII, queryValue, split, unescapeQuery, urlHost } from "./text.ts";
import { Why, type Decision, type Visit } from "./visit.ts";

/** The most bytes that handed-on parameters add to a URL. */
const handedOnBytesMax = 4096;

/** One visit's way to a URL. */
export interface Expansion {
  visit: Visit;
  decision: Decision;
  link: Link;
  program: Program | undefined;
  page: string; // that the visit chooses, "" for none
}

/** Writes the URL of the chosen destination. */
export function expandTarget(x: Expansion, t: Target): string {
  if (!deepLinks || x.page === "") return expand(x, t.u);
  return t.du !== undefined ? expand(x, t.du) : expandPage(x, t.ps ?? ["", []]);
}

/** Writes the URL of a template. */
export function expand(x: Expansion, t: Template): string {
  if (typeof t === "string") return t;
  if (Array.isArray(t)) return write(x, t);
  const head = write(x, t.h);
  const url = head + write(x, t.t);
  const more = handingOn ? handOn(x, url, t) : "";
  return more === "" ? url : head + more + url.slice(head.length);
}

/** Makes the chosen page the URL, with the sub-ID in place of any that the visitor put there. */
function expandPage(x: Expansion, [param, value]: [string, Part[]]): string {
  const [head] = split(x.page, "#");
  const fragment = x.page.slice(head.length);
  const [path, query] = split(head, "?");
  const pairs = (query ?? "").split("&").filter((pair) => pair !== "" && !(param !== "" && equalFold(unescapeQuery(split(pair, "=")[0]), param)));
  if (param !== "" && x.visit.action === "pass") pairs.push(param + "=" + write(x, value));
  const url = pairs.length > 0 ? path + "?" + pairs.join("&") : path;
  return url + (x.link.q ? handOn(x, url, { o: 1 }) : "") + fragment;
}

function write(x: Expansion, parts: Part[] | undefined): string {
  let url = "";
  for (const p of parts ?? []) url += typeof p === "string" ? p : macro(x, p[0], p[1] ?? "", p[2] === 1);
  return url;
}

/** The value of a macro. A decoy gets no click id and no sub-IDs. */
function macro({ visit: v, decision: d, page }: Expansion, name: string, arg: string, raw: boolean): string {
  switch (name) {
    case "click_id":
      return v.action === "pass" ? v.clickID : "";
    case "sub":
      return v.action === "pass" ? escape(cut(queryValue(v.query, arg) ?? ""), raw) : "";
    case "query":
      return escape(cut(queryValue(v.query, arg) ?? ""), raw);
    case "page":
      return deepLinks ? escape(page, false) : "";
    case "link":
      return escape(bytes(d.slug), raw);
    case "site":
      return escape(d.site, raw);
    case "program":
      return escape(d.program, raw);
    case "partner":
      return escape(d.partner, raw);
    case "variant":
      return escape(bytes(d.variant), raw);
    case "country":
      return escape(v.country, raw);
    case "device":
      return v.device;
    case "referrer_host":
      return escape(cut(urlHost(v.referrer)), raw);
    case "ts":
      return String(Math.floor(v.time / 1000));
  }
  return "";
}

/** The visit's parameters that the link lets through, in their order. The URL's own win. */
function handOn(x: Expansion, url: string, t: Handing): string {
  if (x.visit.action !== "pass" || x.visit.query === "") return "";
  const body = split(url, "#")[0];
  const query = split(body, "?")[1];
  const own = (query ?? "").split("&").map((pair) => lowerASCII(split(pair, "=")[0]));
  let separator = query === undefined ? "?" : /[?&]$/.test(body) ? "" : "&";
  let out = "";
  for (const pair of x.visit.query.split("&")) {
    const [name, value] = split(pair, "=");
    if (!mayHandOn(x, name, t.pp) || own.includes(lowerASCII(name))) continue;
    if (out.length + 1 + name.length + 1 + 3 * (value ?? "").length > handedOnBytesMax) break;
    const text = name + (value === undefined ? "" : "=" + asSent(value));
    out += t.o === 2 ? text + "&" : separator + text;
    separator = "&";
    x.decision.why |= Why.QueryPassed;
  }
  return out;
}

/** Names that need decoding are never handed on: they could hide one that the operator set. */
function mayHandOn(x: Expansion, name: string, pageParam: string | undefined): boolean {
  if (!/^[A-Za-z0-9\-._~[\]]+$/.test(name)) return false;
  if (x.link.q !== "pass") return (x.link.q ?? []).includes(name);
  return !/^(?:sub(?:[1-9]|10)|url)$/.test(name) && !(pageParam && equalFold(name, pageParam)) && name !== x.program?.pp;
}
