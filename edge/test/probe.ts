// A worker that does single things which no request of a visitor shows.

import { classify } from "../core/agent.ts";
import { Signer, type Token } from "../core/token.ts";

interface Question {
  agents?: { ua: string; mobile: string }[];
  tokens?: (Token & { ring: string; sealed: string })[];
}

export default {
  async fetch(request: Request): Promise<Response> {
    const q = (await request.json()) as Question;
    const tokens = [];
    for (const { ring, sealed, ...token } of q.tokens ?? []) {
      const signer = await Signer.create(ring);
      tokens.push({ sealed: await signer.seal(token), opened: await signer.open(sealed), forged: await signer.open(sealed.replace(/.$/, (c) => (c === "A" ? "Q" : "A"))) });
    }
    return Response.json({ agents: q.agents?.map((a) => classify(a.ua, a.mobile).device), tokens });
  },
};
