// The conditions of rules.

import { clocks } from "./features.ts";
import { wallClock } from "./clock.ts";
import type { Condition } from "./document.ts";
import { bytes, equalFold, queryValue, urlHost } from "./text.ts";
import type { Visit } from "./visit.ts";

/** Tells whether a condition holds for a visit. */
export function holds(c: Condition, v: Visit): boolean {
  switch (c.on) {
    case "country":
      return anyOf(c, (value) => v.country === value);
    case "device":
      return anyOf(c, (value) => v.device === value);
    case "visitor":
      return anyOf(c, (value) => value === (v.returning ? "returning" : "new"));
    case "language": {
      const tag = preferredLanguage(v.language);
      return anyOf(c, (value) => equalFold(tag.slice(0, value.length), value) && (tag.length === value.length || tag[value.length] === "-"));
    }
    case "referrer": {
      const host = urlHost(v.referrer);
      return anyOf(c, (value) => (value === "(none)" ? host === "" : host === value || host.endsWith("." + value)));
    }
    case "query": {
      const fact = queryValue(v.query, c.name ?? "");
      return anyOf(c, (value) => fact !== undefined && (value === "*" || fact === bytes(value)));
    }
    case "time":
      return clocks && clockHolds(c, v.time);
    case "date":
      return (c.after ?? -Infinity) <= v.time && v.time < (c.before ?? Infinity);
  }
  return false;
}

function anyOf(c: Condition, matches: (value: string) => boolean): boolean {
  return c.not_in ? !c.not_in.some(matches) : (c.in ?? []).some(matches);
}

/** The tag of an Accept-Language header with the highest weight; of equals the first. */
function preferredLanguage(header: string): string {
  let best = "";
  let bestWeight = 0;
  for (const item of header.split(",")) {
    const end = item.indexOf(";");
    const tag = trim(end < 0 ? item : item.slice(0, end));
    const weight = end < 0 ? 1000 : quality(trim(item.slice(end + 1)));
    if (weight > bestWeight && tag !== "" && tag !== "*") {
      best = tag;
      bestWeight = weight;
    }
  }
  return best;
}

function trim(s: string): string {
  return s.replace(/^[ \t]+|[ \t]+$/g, "");
}

/** Reads "q=0.8" in thousandths; what is not digits with at most one point counts as 1. */
function quality(s: string): number {
  const m = /^[qQ]=(\d*)(?:\.(\d*))?$/.exec(s);
  if (!m || s.length < 3) return 1000;
  return Math.min(Number(m[1] || "0") * 1000 + Number(((m[2] ?? "") + "000").slice(0, 3)), 1000);
}

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** A window over midnight belongs to the day on which it begins. */
function clockHolds(c: Condition, time: number): boolean {
  const local = wallClock(c.zone ?? "UTC", time);
  if (!local) return false; // a zone that is not known here promises nothing
  let [day, minute] = local;
  const from = c.from ?? 0;
  const to = c.to ?? 1440;
  if (from < to) {
    if (minute < from || minute >= to) return false;
  } else if (minute < to) {
    day = (day + 6) % 7;
  } else if (minute < from) {
    return false;
  }
  return !c.days?.length || c.days.includes(days[day] ?? "");
}
