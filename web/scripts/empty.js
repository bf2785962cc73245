// Empties the folder that the build goes to, except for the file that keeps it
// in the repository: Go cannot embed a folder that is not there.
import { readdirSync, rmSync } from 'node:fs'

const dist = new URL('../../internal/web/dist/', import.meta.url)
for (const name of readdirSync(dist)) {
  if (name !== '.keep') rmSync(new URL(name, dist), { recursive: true })
}
