// The bucketing of visitors in JavaScript. Reads keys, one per line, and prints
// "BUCKET SHARE" for each: the bucket, and its share of a total of 2^21.
"use strict";

function bucket(key) {
  let h = 0x811c9dc5;
  for (const b of new TextEncoder().encode(key)) h = Math.imul(h ^ b, 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const share = (bucket, total) => Math.floor((bucket * total) / 4294967296);

module.exports = { bucket, share };
if (require.main === module) {
  for (const line of require("fs").readFileSync(0, "utf8").split("\n").slice(0, -1)) {
    const b = bucket(line);
    console.log(b, share(b, 2097152));
  }
}
