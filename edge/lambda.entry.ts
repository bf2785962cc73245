// The entry of the Lambda@Edge package: reads the files that lie beside it.

import { create, type Event, type EventResponse } from "./lambda.ts";

declare const process: { getBuiltinModule(name: "node:fs"): { readFileSync(path: URL, encoding: "utf8"): string; existsSync(path: URL): boolean } };

const fs = process.getBuiltinModule("node:fs");
const read = (name: string): string => {
  const path = new URL(name, import.meta.url);
  return fs.existsSync(path) ? fs.readFileSync(path, "utf8") : "";
};

export const handler: (event: Event) => Promise<EventResponse> = create({
  config: JSON.parse(read("config.json") || "{}"), documents: JSON.parse(read("documents.json") || "{}"),
  cookieKeys: read("cookie-keys"), ingestKeys: read("ingest-keys"), fetch: (url, init) => fetch(url, init),
});
