// What the list of conversions shows, as its address says it.

const names = ['program', 'partner', 'state', 'since', 'until', 'click'] as const
export const states = ['unmatched', 'pending', 'approved', 'paid', 'reversed'] as const

export type Filters = Record<(typeof names)[number], string>

export function readFilters(params: URLSearchParams): Filters {
  const out = Object.fromEntries(names.map((n) => [n, (params.get(n) ?? '').slice(0, 64)])) as Filters
  // An address from somewhere else must not make a request that is refused.
  if (!states.some((s) => s === out.state)) out.state = ''
  for (const day of ['since', 'until'] as const) if (!/^\d{4}-\d{2}-\d{2}$/.test(out[day])) out[day] = ''
  return out
}

/** writeFilters drops what is empty, and the partner with its program: a partner's code means nothing without it. */
export function writeFilters(filters: Filters, change: Partial<Filters>): URLSearchParams {
  const next = { ...filters, ...change }
  if (change.program !== undefined && change.program !== filters.program) next.partner = ''
  return new URLSearchParams(names.filter((n) => next[n]).map((n) => [n, next[n]]))
}

export function isFiltered(filters: Filters): boolean {
  return names.some((n) => filters[n] !== '')
}

type Query = { [K in Exclude<keyof Filters, 'state'>]?: string } & { state?: (typeof states)[number] }

/** toQuery is what the API takes. */
export function toQuery(filters: Filters): Query {
  const out: Query = {}
  for (const name of names) {
    const value = filters[name].trim()
    if (value && (name !== 'partner' || filters.program)) Object.assign(out, { [name]: value })
  }
  return out
}
