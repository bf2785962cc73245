// Clicks on their way to the server: gathered, signed, sent, and sent again. What could not be
// sent is counted and told with the next batch that can.

/** How a batch is sent: POST /ingest/clicks, signed as Standard Webhooks are. */
export interface Destination {
  url: string;
  /** The server's site keys, of which the newest of each site comes first. */
  keys: SiteKey[];
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Waits so many milliseconds. */
  sleep: (ms: number) => Promise<void>;
}

/** A site key as "sluice ingest key" prints it: SITE.N and its secret in base64. */
export interface SiteKey {
  name: string;
  secret: Uint8Array;
}

export type Click = Record<string, unknown>;

export const batchMax = 100;
const waitingMax = 10_000;
const attempts = 4;
const promiseMilliseconds = 5000;

/** Reads what "sluice ingest key" prints: lines that begin with a name and end with its secret. */
export function readKeys(lines: string): SiteKey[] {
  const keys: SiteKey[] = [];
  for (const line of lines.split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (fields.length < 2 || !fields[0]!.includes(".")) continue;
    try {
      keys.push({ name: fields[0]!, secret: Uint8Array.from(atob(fields.at(-1)!.replace(/^whsec_/, "")), (c) => c.charCodeAt(0)) });
    } catch {
      console.error(`the site key ${fields[0]} has no secret in base64 behind it; clicks of its site cannot be sent`);
    }
  }
  return keys;
}

/** The clicks of one isolate that wait. */
export class Outbox {
  private waiting: Click[] = [];
  private lost = 0;
  private leavesBy = 0; // when somebody will have sent, in milliseconds; 0 for nobody

  /** Takes a click, and says whether its visit has to call send: soon for the first, at once for a full batch. */
  add(click: Click, now: number): "send soon" | "send now" | "" {
    if (this.waiting.length >= waitingMax) {
      this.lost++; // the oldest has waited longest for a server that may be back now
      this.waiting.shift();
    }
    this.waiting.push(click);
    if (this.waiting.length % batchMax === 0) return "send now";
    // A visit that has promised to send may be ended before it does.
    if (now < this.leavesBy) return "";
    this.leavesBy = now + promiseMilliseconds;
    return "send soon";
  }

  /** How many wait, and how many were lost and not yet told. */
  get counts(): { waiting: number; lost: number } {
    return { waiting: this.waiting.length, lost: this.lost };
  }

  /** Sends all that waits, a site at a time. It never fails; what the server did not take waits on. */
  async send(to: Destination): Promise<void> {
    this.leavesBy = 0;
    while (this.waiting.length > 0) {
      const site = this.waiting[0]!["site"];
      const batch: Click[] = [];
      const rest: Click[] = [];
      for (const click of this.waiting) (click["site"] === site && batch.length < batchMax ? batch : rest).push(click);
      this.waiting = rest;
      const key = to.keys.find((k) => k.name.slice(0, k.name.lastIndexOf(".")) === site);
      if (!key) {
        this.lost += batch.length; // of hosts of no site, or of a site whose key nobody has given
        continue;
      }
      const told = this.lost;
      switch (await post(to, key, batch, told)) {
        case "taken":
          this.lost -= told;
          break;
        case "refused":
          this.lost += batch.length; // it will not become right
          break;
        case "later":
          this.waiting = [...batch, ...this.waiting].slice(0, waitingMax);
          return;
      }
    }
  }
}

/** Sends one batch, with a few attempts. The same clicks keep their ids: twice taken is once counted. */
async function post(to: Destination, key: SiteKey, batch: Click[], lost: number): Promise<"taken" | "refused" | "later"> {
  const body = JSON.stringify({ clicks: batch });
  const id = String(batch[0]!["id"]);
  const hmac = await crypto.subtle.importKey("raw", key.secret as BufferSource, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  for (let attempt = 1; ; attempt++) {
    const timestamp = Math.floor(Date.now() / 1000);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", hmac, new TextEncoder().encode(`${id}.${timestamp}.${body}`)));
    const headers: Record<string, string> = {
      "content-type": "application/json", "sluice-key": key.name, "webhook-id": id, "webhook-timestamp": String(timestamp),
      "webhook-signature": "v1," + btoa(String.fromCharCode(...mac)),
    };
    if (lost > 0) headers["sluice-lost"] = String(lost);
    let pause = 250 * 4 ** (attempt - 1) * (0.5 + Math.random());
    try {
      const response = await to.fetch(to.url, { method: "POST", headers, body, signal: AbortSignal.timeout(5000) });
      const text = await response.text();
      if (response.ok) return "taken";
      console.error(`clicks: ${to.url} answered ${response.status}: ${text.slice(0, 500)}`);
      if ([400, 413, 422].includes(response.status)) return "refused";
      if (response.status < 500 && response.status !== 429) return "later"; // a key that is not right yet
      pause = Math.max(pause, Math.min(Number(response.headers.get("retry-after")) || 0, 10) * 1000);
    } catch (e) {
      console.error(`clicks: ${to.url} cannot be reached: ${String(e)}`);
    }
    if (attempt === attempts) return "later";
    await to.sleep(pause);
  }
}
