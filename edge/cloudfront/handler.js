const store = cf.kvs();

// What the store has not, and what it cannot be asked for, fails alike.
async function get(key) {
  try {
    const text = await store.get(key);
    return JSON.parse(text);
  } catch (e) {
    return undefined;
  }
}

async function decide(way) {
  const sites = await get("s");
  let key = linkKey(way, sites);
  if (key === "") return;
  let link = await get(key);
  if (!link) {
    key = shorterKey(way);
    if (key !== "") link = await get(key);
    if (!link || !link.g) return;
  }
  let program;
  if (link.g) program = await get("g/" + link.g);
  const codes = partnerCodes(way, link, program);
  const partners = [];
  for (let i = 0; i < codes.length; i++) {
    const partner = await get("p/" + program.id + "/" + codes[i]);
    partners.push(partner);
  }
  finish(way, link, program, codes, partners);
}

async function handler(event) {
  const method = event.request.method;
  if (method !== "GET" && method !== "HEAD") return { statusCode: 405, statusDescription: "Method Not Allowed", headers: { allow: { value: "GET, HEAD" } } };
  const way = begin(event, Date.now());
  await decide(way);
  console.log(logLine(way));
  return response(way);
}
