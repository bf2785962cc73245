// Ranges of time and the bars of a chart within them, in the browser's zone.

export type Unit = 'hour' | 'day'

export type RangeName = '24h' | '7d' | '30d' | '90d' | 'custom'

export const rangeNames: { name: RangeName; label: string }[] = [
  { name: '24h', label: '24 hours' },
  { name: '7d', label: '7 days' },
  { name: '30d', label: '30 days' },
  { name: '90d', label: '90 days' },
  { name: 'custom', label: 'Custom' },
]

/** Range is what a page's address says about time; from and to are dates of a custom one. */
export interface Range {
  name: RangeName
  from: string
  to: string
}

/** Span is a range made exact: whole units, so that no bar is cut short at its beginning. */
export interface Span {
  since: string // as the API takes it
  until: string // "" means now
  unit: Unit
  start: Date
  end: Date // not part of it
}

const days: Partial<Record<RangeName, number>> = { '7d': 7, '30d': 30, '90d': 90 }

/** hoursUpTo is how many days are still shown by the hour. */
const hoursUpTo = 3

export function readRange(params: URLSearchParams): Range {
  const name = params.get('range') as RangeName | null
  const known = rangeNames.some((r) => r.name === name)
  return { name: known && name ? name : '30d', from: params.get('from') ?? '', to: params.get('to') ?? '' }
}

/** spanOf returns the span of a range, or undefined while a custom one is not complete. */
export function spanOf(range: Range, now: Date): Span | undefined {
  if (range.name === 'custom') return customSpan(range)
  if (range.name === '24h') {
    const start = new Date(now)
    start.setMinutes(0, 0, 0)
    const end = new Date(start.getTime() + 3_600_000)
    start.setTime(start.getTime() - 23 * 3_600_000)
    return { since: start.toISOString(), until: '', unit: 'hour', start, end }
  }
  const start = dayOf(now, 1 - (days[range.name] ?? 30))
  return { since: dateText(start), until: '', unit: 'day', start, end: dayOf(now, 1) }
}

function customSpan({ from, to }: Range): Span | undefined {
  const start = parseDate(from)
  const last = parseDate(to)
  if (!start || !last || last < start) return undefined
  const end = dayOf(last, 1)
  const unit = dayOf(start, hoursUpTo) >= end ? 'hour' : 'day'
  return { since: from, until: to, unit, start, end }
}

/** dayOf is the midnight that begins the day, so many days later. */
export function dayOf(at: Date, later = 0): Date {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() + later)
}

export function parseDate(text: string): Date | undefined {
  const m = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (!m) return undefined
  const date = new Date(Number(m[1]), Number(m[2]) - 1, Number(m[3]))
  return dateText(date) === text ? date : undefined
}

const two = (n: number) => String(n).padStart(2, '0')

export function dateText(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

/** hourText is how reports name an hour: "2026-11-20T13:00". */
export function hourText(at: Date): string {
  return `${dateText(at)}T${two(at.getHours())}:00`
}

/** Bar is one unit of time. */
export interface Bar {
  key: string // as reports name it
  at: Date
}

/** bars lists the units of a span, also those in which nothing happened. */
export function bars(span: Pick<Span, 'unit' | 'start' | 'end'>): Bar[] {
  const out: Bar[] = []
  if (span.unit === 'day') {
    for (let at = dayOf(span.start); at < span.end; at = dayOf(at, 1)) out.push({ key: dateText(at), at })
    return out
  }
  for (let ms = span.start.getTime(); ms < span.end.getTime(); ms += 3_600_000) {
    const at = new Date(ms)
    const key = hourText(at)
    // When the clocks go back an hour comes twice; reports count both as one.
    if (out.at(-1)?.key !== key) out.push({ key, at })
  }
  return out
}

export type Row = Record<string, unknown>

/** number reads a metric of a report's row. */
export function number(row: Row | undefined, metric: string): number {
  const value = row?.[metric]
  return typeof value === 'number' ? value : 0
}

/** series puts a report's rows in the order of the bars. */
export function series(list: Bar[], rows: Row[], unit: Unit, metric: string): number[] {
  const found = new Map(rows.map((row) => [String(row[unit]), number(row, metric)]))
  return list.map((bar) => found.get(bar.key) ?? 0)
}

/** localInput is an instant as a datetime-local field takes it. */
export function localInput(instant: string | undefined): string {
  if (!instant) return ''
  const at = new Date(instant)
  if (Number.isNaN(at.getTime())) return ''
  const seconds = at.getSeconds() ? `:${two(at.getSeconds())}` : ''
  return `${dateText(at)}T${two(at.getHours())}:${two(at.getMinutes())}${seconds}`
}

/** instant is the moment that a datetime-local field means. */
export function instant(local: string): string | undefined {
  if (!local) return undefined
  const at = new Date(local)
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString().replace('.000Z', 'Z')
}
