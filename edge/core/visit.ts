// What a decision depends on, and what it is.

import { reasons } from "./features.ts";

/** A request for a managed name; text is as sent, one character for each byte. */
export interface Visit {
  host: string;
  path: string;
  query: string; // without "?"
  time: number; // Unix milliseconds
  clickID: string;
  visitor: string;
  returning: boolean;
  action: "pass" | "decoy" | "block";
  language: string; // Accept-Language
  referrer: string; // Referer
  country: string; // ISO 3166-1 alpha-2, "" for unknown
  device: string; // "" for unknown
}

export interface Decision {
  outcome: "redirect" | "fallback" | "default" | "not_found" | "block";
  code: number;
  url: string; // "" for nowhere
  link: number; // 0 for none
  site: string;
  slug: string;
  program: string;
  partner: string;
  variant: string;
  rule: string;
  page: string;
  why: number; // bits, see whyNames
}

export const enum Why {
  UnknownHost = 1 << 0,
  UnknownName = 1 << 1,
  Paused = 1 << 2,
  Archived = 1 << 3,
  NotStarted = 1 << 4,
  Ended = 1 << 5,
  Rule = 1 << 6,
  Shared = 1 << 7,
  DestinationDown = 1 << 8,
  AllDown = 1 << 9,
  Partner = 1 << 10,
  PartnerUnknown = 1 << 11,
  PartnerPaused = 1 << 12,
  PartnerDefault = 1 << 13,
  DeepLink = 1 << 14,
  DeepLinkRefused = 1 << 15,
  QueryPassed = 1 << 16,
  Decoy = 1 << 17,
  Blocked = 1 << 18,
  ProgramClosed = 1 << 19,
}

const names = (reasons ? 
  "unknown_host unknown_name paused archived not_started ended rule shared destination_down all_down " +
  "partner partner_unknown partner_paused partner_default deep_link deep_link_refused query_passed decoy blocked program_closed" : ""
).split(" ");

/** The reasons by name, in their order. */
export function whyNames(why: number): string[] {
  return reasons ? names.filter((_, i) => (why >> i) & 1) : [];
}
