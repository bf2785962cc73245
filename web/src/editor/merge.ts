// What differs between two states of a link, and how two people's changes go
// together.
import type { Link, LinkInput } from '../api/client'
import { plural } from '../format'
import { capText, type CapReached, type ClickCap } from '../links/cap'

type Field = keyof LinkInput

/** fields are what people change, in the order in which they are shown. */
export const fields: { name: Field; label: string }[] = [
  { name: 'slug', label: 'Name' },
  { name: 'site', label: 'Site' },
  { name: 'status', label: 'Status' },
  { name: 'destinations', label: 'Destinations' },
  { name: 'rules', label: 'Rules' },
  { name: 'starts_at', label: 'Starts' },
  { name: 'ends_at', label: 'Ends' },
  { name: 'fallback', label: 'Fallback' },
  { name: 'cap', label: 'Cap' },
  { name: 'code', label: 'Redirect' },
  { name: 'program', label: 'Program' },
  { name: 'partner', label: 'Partner' },
  { name: 'query', label: 'Query parameters' },
  { name: 'deep_link', label: 'Deep links' },
  { name: 'sub_id', label: 'Sub-ID' },
  { name: 'block_bots', label: 'Block bots' },
  { name: 'tags', label: 'Tags' },
  { name: 'page', label: 'Page' },
  { name: 'note', label: 'Note' },
]

/** states are what the server alone changes: shown, and never sent. */
const states: typeof fields = [{ name: 'cap_reached', label: 'Closed by its cap' }]

type Document = Partial<Record<Field, unknown>>

export interface Difference {
  name: Field
  label: string
  before: string
  after: string
}

/** differences lists the fields in which two documents mean something else. */
export function differences(before: Document | undefined, after: Document | undefined): Difference[] {
  return [...fields, ...states]
    .filter(({ name }) => !same(name, before?.[name], after?.[name]))
    .map(({ name, label }) => ({ name, label, before: describe(name, before?.[name]), after: describe(name, after?.[name]) }))
}

export interface Clash {
  name: Field
  label: string
  mine: string
  theirs: string
}

export interface Merge {
  /** theirs lists what the other person changed and this one did not. */
  theirs: Difference[]
  /** clashes lists what both changed, and differently. */
  clashes: Clash[]
  /** resolve is the document of both; choice says whose value a clash gets. */
  resolve(choice: (name: Field) => 'mine' | 'theirs'): LinkInput
}

/** isState says whether only the server has changed something, so that there is nothing for a person to decide. */
export function isState({ theirs, clashes }: Pick<Merge, 'theirs' | 'clashes'>): boolean {
  return clashes.length === 0 && theirs.every((d) => states.some((s) => s.name === d.name))
}

/** merge joins what one person made of base with what another did meanwhile. */
export function merge(base: Link, mine: LinkInput, current: Link): Merge {
  const changedByMe = fields.filter(({ name }) => !same(name, base[name as keyof Link], mine[name]))
  const changedByThem = differences(base as Document, current as Document)
  const clashes = changedByMe.flatMap(({ name, label }) => {
    const theirs = current[name as keyof Link]
    const clash = changedByThem.some((d) => d.name === name) && !same(name, mine[name], theirs)
    return clash ? [{ name, label, mine: describe(name, mine[name]), theirs: describe(name, theirs) }] : []
  })
  return {
    theirs: changedByThem.filter((d) => !changedByMe.some((f) => f.name === d.name)),
    clashes,
    resolve(choice) {
      const out: Record<string, unknown> = {}
      for (const { name } of fields) {
        const clash = clashes.some((c) => c.name === name)
        const own = changedByMe.some((f) => f.name === name) && (!clash || choice(name) === 'mine')
        const value = own ? mine[name] : current[name as keyof Link]
        if (value !== undefined) out[name] = value
      }
      return out
    },
  }
}

/** same compares by meaning: what is left out has its default. */
function same(name: Field, a: unknown, b: unknown): boolean {
  return canonical(normal(name, a)) === canonical(normal(name, b))
}

function normal(name: Field, value: unknown): unknown {
  if (name === 'destinations') return destinations(value)
  if (name === 'rules') return Array.isArray(value) ? value.map(rule) : []
  if (name === 'query') return (value as { mode?: string } | undefined)?.mode === 'drop' ? undefined : value
  if (name === 'code') return value ?? 302
  if (name === 'cap' && (value as ClickCap | undefined)?.per === 'total') return { ...(value as ClickCap), zone: undefined }
  if (name === 'status') return value ?? 'active'
  if ((name === 'starts_at' || name === 'ends_at') && value) return new Date(String(value)).getTime()
  return value
}

/** destinations fills in what the server does: names, and the weight of a single one. */
function destinations(value: unknown): unknown[] {
  if (!Array.isArray(value)) return []
  return value.map((d: Record<string, unknown>, i) => ({
    ...d,
    id: d.id || (i < 26 ? String.fromCharCode(97 + i) : `v${i + 1}`),
    weight: value.length === 1 ? d.weight || 1 : (d.weight ?? 0),
  }))
}

function rule(value: Record<string, unknown>, i: number): unknown {
  return { ...value, id: value.id || `rule${i + 1}`, destinations: destinations(value.destinations) }
}

/** canonical is JSON in which order and emptiness make no difference. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) => {
    if (v === null || v === '' || v === false || (Array.isArray(v) && v.length === 0)) return undefined
    if (typeof v === 'object' && !Array.isArray(v)) {
      return Object.fromEntries(Object.entries(v as object).sort(([a], [b]) => (a < b ? -1 : 1)))
    }
    return v
  }) ?? ''
}

interface AnyDestination {
  id?: string
  url?: string
  weight?: number
  down?: boolean
}

interface AnyRule {
  id?: string
  when?: { on?: string; name?: string; in?: string[]; not_in?: string[]; zone?: string; days?: string[]; from?: string; to?: string; after?: string; before?: string }[]
  destinations?: AnyDestination[]
}

/** describe writes a field's value for people. */
export function describe(name: Field, value: unknown): string {
  if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) return 'none'
  switch (name) {
    case 'destinations':
      return (value as AnyDestination[]).map((d) => destinationText(d, (value as unknown[]).length)).join('\n')
    case 'rules':
      return (value as AnyRule[]).map((r) => ruleText(r)).join('\n')
    case 'starts_at':
    case 'ends_at':
      return new Date(String(value)).toLocaleString()
    case 'cap':
      return capText(value as ClickCap)
    case 'cap_reached':
      return `after ${plural((value as CapReached).clicks, 'click')}`
    case 'tags':
      return (value as string[]).join(', ')
    case 'query': {
      const q = value as { mode?: string; names?: string[] }
      if (q.mode === 'only') return `hand on ${(q.names ?? []).join(', ')}`
      return q.mode === 'pass' ? 'hand on all' : 'hand on none'
    }
    case 'sub_id': {
      const s = value as { param?: string; value?: string; off?: boolean }
      return s.off ? 'sent none' : [s.param, s.value].filter(Boolean).join(' = ') || 'as the program says'
    }
    case 'deep_link':
    case 'block_bots':
      return value ? 'on' : 'off'
  }
  return String(value)
}

function destinationText(d: AnyDestination, among: number): string {
  const parts = [d.url ?? '']
  if (among > 1) parts.push(`weight ${d.weight ?? 0}`)
  if (d.down) parts.push('down')
  return parts.join(' · ')
}

/** ruleText is a rule in one line. */
export function ruleText(r: AnyRule): string {
  const conditions = (r.when ?? []).map(conditionText).join(' and ') || 'every visit'
  const to = (r.destinations ?? []).map((d) => destinationText(d, r.destinations?.length ?? 1)).join(', ')
  return `${conditions} → ${to}`
}

function conditionText(c: NonNullable<AnyRule['when']>[number]): string {
  if (c.on === 'time') {
    const hours = c.from || c.to ? ` ${c.from ?? '00:00'}–${c.to ?? '24:00'}` : ''
    return `time is${c.days?.length ? ' ' + c.days.join(', ') : ''}${hours} (${c.zone ?? ''})`
  }
  if (c.on === 'date') {
    const bounds = [c.after && `from ${new Date(c.after).toLocaleString()}`, c.before && `before ${new Date(c.before).toLocaleString()}`]
    return `date is ${bounds.filter(Boolean).join(' and ')}`
  }
  const what = c.on === 'query' ? `?${c.name ?? ''}` : (c.on ?? '')
  return c.not_in?.length ? `${what} is not ${c.not_in.join(', ')}` : `${what} is ${(c.in ?? []).join(', ')}`
}
