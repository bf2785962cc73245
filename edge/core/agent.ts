// The class of a visitor's device and the verdict on a visit, as internal/useragent and
// internal/fraud have them.

import { tokens } from "./tokens.ts";

const [bot, tool, tv, tablet, phone, android, desktop] = [1, 2, 4, 8, 16, 32, 64];
const bytesMax = 1024;

const flagOf = new Map(tokens.map(([text, , flag]) => [text, flag]));

// One walk from left to right; at each byte the first token of the table that fits is taken.
const walk = new RegExp(
  tokens
    .map(([text, place]) => {
      const words = text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
      return (place & 4 ? "^" : "") + (place & 1 ? "(?<![a-z])" : "") + words + (place & 2 ? "(?![a-z])" : "");
    })
    .join("|"),
  "gi",
);

export interface Agent {
  device: string;
  tool: boolean; // names no other program than a tool, such as curl
}

/** Tells the class of a device from the User-Agent and Sec-CH-UA-Mobile headers. */
export function classify(agent: string, mobile: string): Agent {
  let flags = 0;
  for (const [text] of agent.slice(0, bytesMax).matchAll(walk)) flags |= flagOf.get(text.toLowerCase()) ?? 0;
  const is = (flag: number) => (flags & flag) !== 0;
  const device = is(bot | tool)
    ? "bot"
    : is(tv)
      ? "tv"
      : is(tablet)
        ? "tablet"
        : is(phone) || mobile === "?1"
          ? "phone"
          : is(android)
            ? "tablet"
            : is(desktop)
              ? "desktop"
              : "other";
  return { device, tool: is(tool) && !is(bot) };
}

/** Says that a visit comes from a declared bot, which is sent to the plain merchant URL. */
export function isDeclaredBot(a: Agent): boolean {
  return a.device === "bot" && !a.tool;
}
