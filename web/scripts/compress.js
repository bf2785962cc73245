// Puts a gzip and a brotli form beside each file of the build that gets smaller
// by it, so that the server never compresses while somebody waits.
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const dist = fileURLToPath(new URL('../../internal/web/dist/', import.meta.url))
const texts = /\.(?:css|html|js|json|svg|txt|webmanifest)$/

let plain = 0
let small = 0
for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, String(name))
  if (!statSync(path).isFile() || !texts.test(path)) continue
  const content = readFileSync(path)
  const brotli = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
  const gzip = gzipSync(content, { level: 9 })
  plain += content.length
  small += Math.min(content.length, brotli.length)
  if (brotli.length < content.length * 0.95) writeFileSync(path + '.br', brotli)
  if (gzip.length < content.length * 0.95) writeFileSync(path + '.gz', gzip)
}
console.log(`${Math.round(plain / 1024)} KiB, ${Math.round(small / 1024)} KiB over the wire`)
