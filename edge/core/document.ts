// The documents of the key-value store, version 1: docs/formats/edge.md. Names are short because
// a document is read with each visit. What is absent is empty, zero or false.

export type Status = "paused" | "archived" | undefined; // undefined is active

export interface Sites {
  v: 1;
  sites: Site[];
}

export interface Site {
  id: string;
  hosts?: string[]; // none: it answers for any other host
  prefix: string;
  default?: string;
}

export interface Link {
  v: 1;
  i: number; // id
  s?: Status;
  c?: number; // code; 302
  g?: string; // program
  p?: string; // partner who is credited by default
  pg?: string; // page
  from?: number; // Unix milliseconds
  to?: number;
  q?: "pass" | string[]; // parameters that are handed on
  dl?: 1; // takes deep links
  bb?: 1; // blocks bots
  f?: Template; // fallback
  d: Target[];
  r?: Rule[];
}

export interface Target {
  i: string; // id
  w: number; // weight
  dn?: 1; // down
  u: Template;
  du?: Template; // with the page that the visit chooses
  ps?: [param: string, value: Part[]]; // sub-ID of a page that is itself the URL
}

export interface Rule {
  i: string; // id
  w?: Condition[];
  d: Target[];
}

/** Text, a macro's name, its argument, and whether its value is raw. */
export type Part = string | [macro: string, arg?: string, raw?: 1];

export type Template = string | Part[] | Handing;

/** A template with a place for parameters that are handed on. */
export interface Handing {
  h?: Part[]; // head
  t?: Part[]; // tail
  o: 1 | 2; // 1: each with its separator in front; 2: each with "&" behind
  pp?: string; // the parameter that chooses a page is not handed on
}

export interface Condition {
  on: string;
  name?: string;
  in?: string[];
  not_in?: string[];
  zone?: string;
  days?: string[];
  from?: number; // minutes of the day
  to?: number;
  after?: number; // Unix milliseconds
  before?: number;
}

export interface Program {
  v: 1;
  id: string;
  s?: Status;
  pp?: string; // parameter that names a partner
  dl?: string[]; // hosts of deep links
}

export interface Partner {
  v: 1;
  s?: Status;
}

/** Where documents come from. Those that are at hand come without a promise. */
export interface Documents {
  sites(): Sites | Promise<Sites>;
  link(site: string, slug: string): Link | undefined | Promise<Link | undefined>;
  program(id: string): Program | undefined | Promise<Program | undefined>;
  partner(program: string, code: string): Partner | undefined | Promise<Partner | undefined>;
}
