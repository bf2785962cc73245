// Reads what a visit's decision needs, and has it decided.

import { answerDefault, decide, emptyDecision, partnerOf, siteFor, withoutPartner } from "./decide.ts";
import type { Documents, Link, Partner } from "./document.ts";
import { canonicalSlug, nameInPath } from "./slug.ts";
import { Why, type Decision, type Visit } from "./visit.ts";

/** Decides a visit, into d. It fails when the documents cannot be had. */
export async function resolve(v: Visit, documents: Documents, d: Decision = emptyDecision()): Promise<Decision> {
  const sites = documents.sites();
  const site = siteFor(sites instanceof Promise ? await sites : sites, v.host);
  if (!site) {
    d.why = Why.UnknownHost;
    return d;
  }
  d.site = site.id;
  const name = nameInPath(v.path, site.prefix);
  if (name === undefined) {
    d.why = Why.UnknownName;
    return d;
  }
  const slug = canonicalSlug(name);
  d.slug = slug ?? "";
  const [link, inPath] = slug === undefined ? [undefined, ""] : await find(documents, site.id, slug, d);
  if (!link) {
    d.why = Why.UnknownName;
    return answerDefault(site, d);
  }
  const program = link.g ? await documents.program(link.g) : undefined;
  const partners = new Map<string, Partner | undefined>();
  if (program) {
    for (const code of [link.p ?? "", partnerOf(v, program, inPath)]) if (code !== "") partners.set(code, await documents.partner(program.id, code));
  }
  return decide(v, site, { link, program, inPath, partner: (code) => partners.get(code) }, d);
}

/** The link of a slug, which may end in a partner's code. */
async function find(documents: Documents, site: string, slug: string, d: Decision): Promise<[Link | undefined, string]> {
  const at = documents.link(site, slug);
  const link = at instanceof Promise ? await at : at;
  const short = link ? undefined : withoutPartner(slug);
  if (!short) return [link, ""];
  const shorter = await documents.link(site, short.slug);
  if (!shorter?.g) return [undefined, ""];
  d.slug = short.slug;
  return [shorter, short.partner];
}
