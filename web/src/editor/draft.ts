// A link while somebody is editing it: everything is text, so that what was typed
// stays as it was typed. Its lists are in the order of the link's, so that the
// server's paths (rules[0].when[1].in) name the same places here.
import type { Condition, Destination, Link, LinkInput, RedirectCode, Rule } from '../api/client'
import type { CapPeriod, ClickCap } from '../links/cap'
import { instant, localInput } from '../report/time'

export interface DestinationDraft {
  key: number
  id: string
  url: string
  weight: string
  down: boolean
}

export interface ConditionDraft {
  key: number
  on: Condition['on']
  name: string
  not: boolean
  values: string // separated by commas
  zone: string
  days: string[]
  from: string
  to: string
  after: string
  before: string
}

export interface RuleDraft {
  key: number
  id: string
  when: ConditionDraft[]
  destinations: DestinationDraft[]
}

export interface Draft {
  site: string
  slug: string
  status: Link['status']
  destinations: DestinationDraft[]
  rules: RuleDraft[]
  startsAt: string
  endsAt: string
  fallback: string
  capPer: CapPeriod | 'none'
  capClicks: string
  capZone: string
  code: RedirectCode
  program: string
  partner: string
  queryMode: 'drop' | 'pass' | 'only'
  queryNames: string
  deepLink: boolean
  subMode: 'program' | 'own' | 'off'
  subParam: string
  subValue: string
  blockBots: boolean
  tags: string
  page: string
  note: string
}

let lastKey = 0
const nextKey = () => ++lastKey

export function newDestination(weight = '1'): DestinationDraft {
  return { key: nextKey(), id: '', url: '', weight, down: false }
}

export function newCondition(on: Condition['on'] = 'country', zone = 'UTC'): ConditionDraft {
  return { key: nextKey(), on, name: '', not: false, values: '', zone, days: [], from: '', to: '', after: '', before: '' }
}

export function newRule(): RuleDraft {
  return { key: nextKey(), id: '', when: [newCondition()], destinations: [newDestination()] }
}

export function emptyDraft(): Draft {
  return {
    site: '', slug: '', status: 'active', destinations: [newDestination()], rules: [], startsAt: '', endsAt: '', fallback: '',
    capPer: 'none', capClicks: '', capZone: '', code: 302, program: '', partner: '', queryMode: 'drop', queryNames: '', deepLink: false,
    subMode: 'program', subParam: '', subValue: '', blockBots: false, tags: '', page: '', note: '',
  }
}

/** list reads a text of several values. */
export function list(text: string): string[] {
  return text.split(/[,;\n]/).map((s) => s.trim()).filter((s) => s !== '')
}

export function draftOf(link: Link): Draft {
  const sub = link.sub_id
  return {
    site: link.site,
    slug: link.slug,
    status: link.status,
    destinations: link.destinations.map(destinationDraft),
    rules: (link.rules ?? []).map((r) => ({
      key: nextKey(), id: r.id ?? '', when: (r.when ?? []).map(conditionDraft), destinations: r.destinations.map(destinationDraft),
    })),
    startsAt: localInput(link.starts_at),
    endsAt: localInput(link.ends_at),
    fallback: link.fallback ?? '',
    capPer: link.cap ? (link.cap.per ?? 'total') : 'none',
    capClicks: String(link.cap?.clicks ?? ''),
    capZone: link.cap?.zone ?? '',
    code: link.code,
    program: link.program ?? '',
    partner: link.partner ?? '',
    queryMode: link.query?.mode ?? 'drop',
    queryNames: (link.query?.names ?? []).join(', '),
    deepLink: link.deep_link ?? false,
    subMode: !sub ? 'program' : sub.off ? 'off' : 'own',
    subParam: sub?.param ?? '',
    subValue: sub?.value ?? '',
    blockBots: link.block_bots ?? false,
    tags: (link.tags ?? []).join(', '),
    page: link.page ?? '',
    note: link.note ?? '',
  }
}

function destinationDraft(d: Destination): DestinationDraft {
  return { key: nextKey(), id: d.id ?? '', url: d.url, weight: String(d.weight ?? 0), down: d.down ?? false }
}

function conditionDraft(c: Condition): ConditionDraft {
  const not = (c.not_in ?? []).length > 0
  return {
    key: nextKey(), on: c.on, name: c.name ?? '', not, values: ((not ? c.not_in : c.in) ?? []).join(', '),
    zone: c.zone ?? '', days: c.days ?? [], from: c.from ?? '', to: c.to ?? '',
    after: localInput(c.after), before: localInput(c.before),
  }
}

/**
 * inputOf is the document that a draft means. What the form does not show is taken
 * from the link as it was read, so that saving loses nothing.
 */
export function inputOf(draft: Draft, link?: Link): LinkInput {
  const out: LinkInput = {
    ...writable(link),
    slug: draft.slug.trim(),
    status: draft.status,
    destinations: draft.destinations.map((d) => destinationOf(d, draft.destinations.length)),
    code: draft.code,
  }
  const set = <K extends keyof LinkInput>(name: K, value: LinkInput[K] | '' | false | undefined) => {
    if (value === '' || value === false || value === undefined || (Array.isArray(value) && value.length === 0)) delete out[name]
    else out[name] = value as LinkInput[K]
  }
  set('site', draft.site)
  set('rules', draft.rules.map(ruleOf))
  set('starts_at', sameInstant(draft.startsAt, link?.starts_at))
  set('ends_at', sameInstant(draft.endsAt, link?.ends_at))
  set('fallback', draft.fallback.trim())
  set('cap', capOf(draft))
  set('program', draft.program)
  set('partner', draft.program ? draft.partner.trim() : '')
  set('query', queryOf(draft))
  set('deep_link', draft.deepLink)
  set('sub_id', subOf(draft))
  set('block_bots', draft.blockBots)
  set('tags', list(draft.tags))
  set('page', draft.page.trim())
  set('note', draft.note.trim())
  return out
}

/** writable is a link without what only the server says. */
function writable(link: Link | undefined): LinkInput {
  if (!link) return {}
  const out: Record<string, unknown> = { ...link }
  for (const name of ['id', 'version', 'created_at', 'updated_at', 'short_url', 'warnings', 'cap_reached']) delete out[name]
  return out
}

/** sameInstant keeps the instant as it was read unless it was changed: a field shows no fractions of a second. */
function sameInstant(text: string, read: string | undefined): string | undefined {
  return read && localInput(read) === text ? read : instant(text)
}

function destinationOf(d: DestinationDraft, among: number): Destination {
  const out: Destination = { url: d.url.trim() }
  if (d.id.trim()) out.id = d.id.trim()
  if (among > 1) out.weight = wholeNumber(d.weight)
  if (d.down) out.down = true
  return out
}

/** wholeNumber lets the server refuse what is not one, beside its field. */
function wholeNumber(text: string): number {
  const n = Number(text.trim() || '0')
  return Number.isInteger(n) ? n : -1
}

function ruleOf(r: RuleDraft): Rule {
  const out: Rule = { when: r.when.map(conditionOf), destinations: r.destinations.map((d) => destinationOf(d, r.destinations.length)) }
  if (r.id.trim()) out.id = r.id.trim()
  return out
}

function conditionOf(c: ConditionDraft): Condition {
  if (c.on === 'time') {
    const out: Condition = { on: 'time', zone: c.zone.trim() }
    if (c.days.length > 0) out.days = c.days as Condition['days']
    if (c.from.trim()) out.from = c.from.trim()
    if (c.to.trim()) out.to = c.to.trim()
    return out
  }
  if (c.on === 'date') {
    const out: Condition = { on: 'date' }
    const after = instant(c.after)
    const before = instant(c.before)
    if (after) out.after = after
    if (before) out.before = before
    return out
  }
  const out: Condition = { on: c.on }
  if (c.on === 'query') out.name = c.name.trim()
  const values = list(c.values)
  if (values.length > 0) out[c.not ? 'not_in' : 'in'] = values
  return out
}

/** capOf is the cap that a draft means; without a period there is none. */
export function capOf({ capPer, capClicks, capZone }: Pick<Draft, 'capPer' | 'capClicks' | 'capZone'>): ClickCap | undefined {
  if (capPer === 'none') return undefined
  const zone = capZone.trim()
  return { clicks: clicksOf(capClicks), per: capPer, ...(zone && { zone }) }
}

/** clicksOf reads 20000, and 20,000 or 20 000 as people write it. What is no number is sent as it was typed, for the server to refuse. */
function clicksOf(text: string): number {
  const typed = text.trim()
  const digits = /^\d{1,3}([,.'\u2019\s]\d{3})+$/.test(typed) ? typed.replace(/\D/g, '') : typed
  const n = Number(digits)
  return /^-?\d*$/.test(digits) && Number.isSafeInteger(n) ? n : (typed as unknown as number)
}

/** perChosen is what changes with another period: days and months begin where the person is, unless the cap has a zone. */
export function perChosen({ capPer, capZone }: Pick<Draft, 'capPer' | 'capZone'>, per: Draft['capPer'], here: string): Partial<Draft> {
  if (per === 'total' || per === 'none') return { capPer: per, capZone: '' }
  const begun = capPer === 'none' || capPer === 'total'
  return { capPer: per, capZone: begun ? here : capZone }
}

function queryOf(draft: Draft): LinkInput['query'] {
  if (draft.queryMode === 'drop') return undefined
  if (draft.queryMode === 'pass') return { mode: 'pass' }
  return { mode: 'only', names: list(draft.queryNames) }
}

function subOf(draft: Draft): LinkInput['sub_id'] {
  if (draft.subMode === 'program') return undefined
  if (draft.subMode === 'off') return { off: true }
  const out: NonNullable<LinkInput['sub_id']> = {}
  if (draft.subParam.trim()) out.param = draft.subParam.trim()
  if (draft.subValue.trim()) out.value = draft.subValue.trim()
  return out
}

/** shares are the parts of the visitors that destinations get. */
export function shares(destinations: DestinationDraft[]): number[] {
  const weights = destinations.map((d) => (d.down ? 0 : Math.max(0, wholeNumber(d.weight))))
  const total = weights.reduce((a, b) => a + b, 0)
  return weights.map((w) => (total > 0 ? w / total : 0))
}
