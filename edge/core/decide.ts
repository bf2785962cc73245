// Decides where a visit leads, as internal/routing does on the server: the rules, in their order,
// are those of docs/formats/decisions.md. All that it needs has been read before.

import { bucket, share } from "./bucket.ts";
import { holds } from "./condition.ts";
import { allowsDeepLink } from "./deeplink.ts";
import type { Link, Partner, Program, Site, Sites, Status, Target } from "./document.ts";
import { canonicalSlug } from "./slug.ts";
import { deepLinks } from "./features.ts";
import { expand, expandTarget, type Expansion } from "./template.ts";
import { bytes, canonicalHost, lowerASCII, queryValue } from "./text.ts";
import { Why, type Decision, type Visit } from "./visit.ts";

/** The documents of a link's visit. */
export interface Found {
  link: Link;
  program: Program | undefined;
  inPath: string; // the partner that the path names, "" for none
  partner: (code: string) => Partner | undefined; // of the program
}

export function emptyDecision(): Decision {
  return { outcome: "not_found", code: 404, url: "", link: 0, site: "", slug: "", program: "", partner: "", variant: "", rule: "", page: "", why: 0 };
}

/** The site that answers for a host. */
export function siteFor(sites: Sites, asked: string): Site | undefined {
  const host = canonicalHost(asked);
  return sites.sites.find((s) => (s.hosts ?? []).includes(host)) ?? sites.sites.find((s) => !s.hosts?.length);
}

/**
 * Cuts a partner's code from a slug that is no link's: "the-thing/anna" is the link "the-thing",
 * if that has a program. undefined when nothing could be cut.
 */
export function withoutPartner(slug: string): { slug: string; partner: string } | undefined {
  const end = slug.lastIndexOf("/");
  const short = end < 0 ? undefined : canonicalSlug(bytes(slug.slice(0, end)));
  return short === undefined ? undefined : { slug: short, partner: slug.slice(end + 1) };
}

/** The partner that a visit names; "" for none. One in the path is final. */
export function partnerOf(v: Visit, program: Program | undefined, inPath: string): string {
  return program ? inPath || lowerASCII(queryValue(v.query, program.pp ?? "") ?? "") : "";
}

/** The answer of a site for who cannot be sent to a destination. */
export function answerDefault(site: Site | undefined, d: Decision): Decision {
  d.url = site?.default ?? "";
  d.outcome = d.url ? "default" : "not_found";
  d.code = d.url ? 302 : 404;
  return d;
}

const active = (s: Status): boolean => s !== "paused" && s !== "archived";

/** Decides the visit of a link, into d. */
export function decide(v: Visit, site: Site, found: Found, d: Decision): Decision {
  const { link, program } = found;
  const x: Expansion = { visit: v, decision: d, link, program, page: "" };
  d.link = link.i;
  d.page = link.pg ?? "";
  if (program) d.program = program.id;
  if (link.p) creditDefault(found, link.p, d);
  const why = closed(link, program, v.time);
  if (why) {
    d.why |= why;
    return fallBack(x, site);
  }
  if (v.action !== "pass") {
    if (v.action === "decoy") d.why |= Why.Decoy;
    if (v.action === "block" || link.bb) {
      d.why |= Why.Blocked;
      d.outcome = "block";
      d.code = 403;
      return d;
    }
  }
  creditPartner(found, partnerOf(v, program, found.inPath), d);
  const rule = link.r?.find((r) => (r.w ?? []).every((c) => holds(c, v)));
  if (rule) {
    d.rule = rule.i;
    d.why |= Why.Rule;
  }
  const target = choose(x, rule?.d ?? link.d);
  if (!target) return fallBack(x, site);
  d.variant = target.i;
  d.outcome = "redirect";
  d.code = link.c ?? 302;
  if (deepLinks) chooseDeepLink(x);
  d.url = expandTarget(x, target);
  return d;
}

/** Credits the link's own partner, unless the program says that this one is not active any more. */
function creditDefault(found: Found, code: string, d: Decision): void {
  const known = found.program && found.partner(code);
  if (known && !active(known.s)) {
    d.why |= Why.PartnerPaused;
    return;
  }
  d.partner = code;
  d.why |= Why.PartnerDefault;
}

/** Credits the partner of the visit; one who is not active leaves the link's own in place. */
function creditPartner(found: Found, code: string, d: Decision): void {
  if (code === "") return;
  const partner = found.partner(code);
  if (!partner) {
    d.why |= Why.PartnerUnknown;
  } else if (!active(partner.s)) {
    d.why |= Why.PartnerPaused;
  } else {
    d.partner = code;
    d.why = (d.why & ~(Why.PartnerDefault | Why.PartnerPaused)) | Why.Partner;
  }
}

/** Why the link leads nowhere now, or 0. */
function closed(link: Link, program: Program | undefined, time: number): number {
  if (link.s === "archived") return Why.Archived;
  if (link.s === "paused") return Why.Paused;
  if (link.to !== undefined && time >= link.to) return Why.Ended;
  if (link.from !== undefined && time < link.from) return Why.NotStarted;
  return program && !active(program.s) ? Why.ProgramClosed : 0;
}

/** Sends the visit to the link's fallback, or the site's default. */
function fallBack(x: Expansion, site: Site): Decision {
  if (x.link.f === undefined) return answerDefault(site, x.decision);
  x.decision.outcome = "fallback";
  x.decision.code = 302;
  x.decision.url = expand(x, x.link.f);
  return x.decision;
}

/** Picks a destination by the visitor's bucket; undefined when the fallback is to answer. */
function choose(x: Expansion, targets: Target[]): Target | undefined {
  const d = x.decision;
  if (targets.length > 1) d.why |= Why.Shared;
  const chosen = targets.length > 1 ? pick(x, targets, "") : targets[0];
  if (!chosen?.dn) return chosen;
  const up = targets.filter((t) => !t.dn);
  if (targets.length > 1 && total(up) > 0) {
    d.why |= Why.DestinationDown;
    return pick(x, up, "~");
  }
  d.why |= Why.AllDown;
  return x.link.f === undefined ? chosen : undefined;
}

const total = (targets: Target[]): number => targets.reduce((sum, t) => sum + t.w, 0);

function pick({ visit, decision: d }: Expansion, targets: Target[], attempt: string): Target | undefined {
  let at = share(bucket(`${visit.visitor || visit.clickID}|${d.link}|${d.rule}${attempt}`), total(targets));
  return targets.find((t) => {
    at -= t.w;
    return at < 0;
  });
}

/** Keeps the page that the visit asks for, if it may have it. */
function chooseDeepLink(x: Expansion): void {
  const page = queryValue(x.visit.query, "url");
  if (!page) return;
  if (!x.link.dl || !x.program || !allowsDeepLink(x.program.dl ?? [], page)) {
    x.decision.why |= Why.DeepLinkRefused;
    return;
  }
  x.decision.why |= Why.DeepLink;
  x.page = page;
}
