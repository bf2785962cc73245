// Which fault belongs beside which field. The server names fields by path, such as
// rules[0].when[1].in[2].
import type { Fault } from './problem'

/** Faults answers a form's questions about what the server did not like. */
export class Faults {
  readonly all: readonly Fault[]

  constructor(all: readonly Fault[] = []) {
    this.all = all
  }

  /** at lists the messages for exactly this field. */
  at(path: string): string[] {
    return this.all.filter((f) => f.field === path).map((f) => f.message)
  }

  /** within lists the messages for the field and all below it. */
  within(path: string): string[] {
    return this.all.filter((f) => covers(path, f.field)).map((f) => f.message)
  }

  /** any says whether one of the fields, or something below it, is at fault. */
  any(...paths: string[]): boolean {
    return this.all.some((f) => paths.some((p) => covers(p, f.field)))
  }

  /** without leaves out what was said of a field that has changed since. */
  without(path: string): Faults {
    const left = this.all.filter((f) => !covers(path, f.field))
    return left.length === this.all.length ? this : new Faults(left)
  }
}

/** covers says whether the field is the path or lies below it. */
export function covers(path: string, field: string | undefined): boolean {
  if (!field) return false
  if (field === path) return true
  const next = field.charAt(path.length)
  return field.startsWith(path) && (next === '.' || next === '[')
}

/** parents lists a path and what is above it, nearest first. */
export function parents(path: string): string[] {
  const out = [path]
  for (let at = path.length - 1; at > 0; at--) {
    if (path[at] === '.' || path[at] === '[') out.push(path.slice(0, at))
  }
  return out
}

const words: Record<string, string> = {
  when: 'condition', in: 'is', not_in: 'is not', starts_at: 'starts', ends_at: 'ends', code: 'redirect',
  deep_link: 'deep links', query: 'query parameters', sub_id: 'sub-ID', url: 'URL', id: 'name', block_bots: 'bots',
  per: 'period', zone: 'time zone',
}

/** labelOf turns a path into words: "Rule 1, condition 2, is". */
export function labelOf(path: string): string {
  const parts: string[] = []
  for (const [, name = '', index] of path.matchAll(/([a-z_]+)(?:\[(\d+)\])?/g)) {
    const singular = index !== undefined && name.endsWith('s') ? name.slice(0, -1) : name
    const word = words[singular] ?? singular.replaceAll('_', ' ')
    // The place within a list of values is of no help: the message quotes the value.
    const numbered = index !== undefined && name !== 'in' && name !== 'not_in'
    parts.push(numbered ? `${word} ${Number(index) + 1}` : word)
  }
  const text = parts.join(', ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}
