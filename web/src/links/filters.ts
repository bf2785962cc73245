// What the list of links shows, as its address says it.

export interface Filters {
  q: string
  site: string
  tag: string
  program: string
  status: string
}

const names = ['q', 'site', 'tag', 'program', 'status'] as const
export const statuses = ['active', 'paused', 'archived'] as const

export function readFilters(params: URLSearchParams): Filters {
  const out: Filters = { q: '', site: '', tag: '', program: '', status: '' }
  for (const name of names) out[name] = params.get(name) ?? ''
  // An address from somewhere else must not make a request that is refused.
  if (!statuses.some((s) => s === out.status)) out.status = ''
  out.q = out.q.slice(0, 200)
  return out
}

/** writeFilters keeps other parameters and drops empty ones. */
export function writeFilters(params: URLSearchParams, change: Partial<Filters>): URLSearchParams {
  const out = new URLSearchParams(params)
  for (const [name, value] of Object.entries(change)) {
    if (value) out.set(name, value)
    else out.delete(name)
  }
  return out
}

export function isFiltered(filters: Filters): boolean {
  return names.some((name) => filters[name] !== '')
}

type Query = { [K in Exclude<keyof Filters, 'status'>]?: string } & { status?: (typeof statuses)[number] }

/** toQuery is what the API takes. */
export function toQuery(filters: Filters): Query {
  const out: Query = {}
  for (const name of names) {
    const value = filters[name].trim()
    if (value) Object.assign(out, { [name]: value })
  }
  return out
}
