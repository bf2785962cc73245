// A worker that decides visits which are handed to it whole, with the documents: the decision
// vectors reach through it what no request can say, such as the time.

import type { Documents, Link, Partner, Program, Sites } from "../core/document.ts";
import { resolve } from "../core/resolve.ts";
import { bytes } from "../core/text.ts";
import { whyNames, type Visit } from "../core/visit.ts";

interface Question {
  documents: Record<string, unknown>;
  visits: Visit[];
}

/** Documents that are at hand. */
function from(all: Record<string, unknown>): Documents {
  return {
    sites: () => all["s"] as Sites,
    link: (site, slug) => all[`l/${site}/${slug}`] as Link | undefined,
    program: (id) => all[`g/${id}`] as Program | undefined,
    partner: (program, code) => all[`p/${program}/${code}`] as Partner | undefined,
  };
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { documents, visits } = (await request.json()) as Question;
    const answers = [];
    for (const v of visits) {
      const visit = { ...v, host: bytes(v.host), path: bytes(v.path), query: bytes(v.query), referrer: bytes(v.referrer), language: bytes(v.language) };
      const { why, page: _, ...d } = await resolve(visit, from(documents));
      answers.push({ ...d, why: whyNames(why) });
    }
    return Response.json(answers);
  },
};
