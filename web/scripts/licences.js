// Puts the licences of the libraries that are part of the build beside it, as
// those licences ask.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const root = new URL('../', import.meta.url)
const { packages } = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8'))

// Types are gone when the code runs.
const typesOnly = /node_modules\/(?:@types\/|csstype$|openapi-typescript-helpers$)/

const parts = []
for (const [path, { dev, version }] of Object.entries(packages)) {
  if (path === '' || dev || typesOnly.test(path)) continue
  const folder = new URL(`${path}/`, root)
  const file = readdirSync(folder).find((name) => /^licen[cs]e(\.|$)/i.test(name))
  const { license } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'))
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  parts.push(`${name} ${version} (${license})\n\n${file ? readFileSync(new URL(file, folder), 'utf8').trim() : ''}\n`)
}
const line = '\n' + '-'.repeat(72) + '\n\n'
writeFileSync(new URL('../internal/web/dist/licences.txt', root), 'The dashboard contains these libraries.\n' + line + parts.join(line))
