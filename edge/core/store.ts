// Documents out of a key-value store far away, kept for a while near at hand.

import type { Documents, Link, Partner, Program, Sites } from "./document.ts";

/** Reads a document; undefined when there is none. It fails when the store does. */
export type Fetch = (key: string) => Promise<unknown>;

interface Kept {
  document: unknown;
  until: number; // when it is to be read again, in milliseconds
}

/** The documents that were read, and those that were not found, for all visits of an isolate. */
export class Cache {
  private kept = new Map<string, Kept>();

  /** seconds is how long a document is good; max bounds how many there are. */
  constructor(
    private readonly seconds: number,
    private readonly max = 10_000,
  ) {}

  /** The documents of one visit, at an instant in milliseconds. */
  at(now: number, fetch: Fetch): Documents {
    const get = (key: string): unknown => {
      const kept = this.kept.get(key);
      return kept && now < kept.until ? kept.document : this.read(key, kept, now, fetch);
    };
    return {
      sites: () => get("s") as Sites,
      link: (site, slug) => get(`l/${site}/${slug}`) as Link | undefined,
      program: (id) => get(`g/${id}`) as Program | undefined,
      partner: (program, code) => get(`p/${program}/${code}`) as Partner | undefined,
    };
  }

  /** Reads a document. While the store fails, what was known before is good enough. */
  private async read(key: string, kept: Kept | undefined, now: number, fetch: Fetch): Promise<unknown> {
    let document: unknown;
    try {
      document = await fetch(key);
      if (key === "s" && !document) throw new Error("the store has no sites: export the links to it");
    } catch (e) {
      if (!kept) throw e;
      document = kept.document;
    }
    this.kept.delete(key); // so that it is the youngest
    this.kept.set(key, { document, until: now + this.seconds * 1000 });
    if (this.kept.size > this.max) this.kept.delete(this.kept.keys().next().value!);
    return document;
  }
}
