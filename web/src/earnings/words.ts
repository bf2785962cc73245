// What a report of money says, as people read it. Amounts stay text: nothing is summed here.
import type { components } from '../api/schema'

export type Earnings = components['schemas']['Earnings']
export type EarningsReport = components['schemas']['EarningsReport']
export type Row = Earnings & Record<string, unknown>

/** dimensions are what the rows can be, as the API names it. */
export const dimensions = [
  { by: 'month', label: 'Click month' },
  { by: 'day', label: 'Day' },
  { by: 'link', label: 'Link' },
  { by: 'page', label: 'Page' },
  { by: 'program', label: 'Program' },
  { by: 'partner', label: 'Partner' },
  { by: 'variant', label: 'Variant' },
  { by: 'sub1', label: 'Sub-ID 1' },
] as const

export type Dimension = (typeof dimensions)[number]['by']

export function readDimension(text: string | null): Dimension {
  return dimensions.find((d) => d.by === text)?.by ?? 'month'
}

/** columns are the figures of a row, by their names in the API, with what they are. */
export const columns = [
  { name: 'clicks', label: 'Clicks', kind: 'count', formula: 'valid clicks: no bots, no repeats within seconds' },
  { name: 'conversions', label: 'Conversions', kind: 'count', formula: 'all but unmatched ones' },
  { name: 'orders', label: 'Orders', kind: 'amount', formula: 'value of the orders that are not reversed' },
  { name: 'net', label: 'Net', kind: 'amount', formula: 'commission that is pending, approved or paid' },
  { name: 'settled', label: 'Settled', kind: 'amount', formula: 'commission that is approved or paid' },
  { name: 'epc', label: 'EPC', kind: 'text', formula: 'net ÷ clicks' },
  { name: 'settled_epc', label: 'Settled EPC', kind: 'text', formula: 'settled ÷ clicks; compare it where the maturity is high' },
  { name: 'cr', label: 'CR', kind: 'ratio', formula: 'conversion rate: conversions that are not reversed ÷ clicks' },
  { name: 'ar', label: 'AR', kind: 'ratio', formula: 'approval rate: approved or paid ÷ decided (approved, paid, reversed)' },
  { name: 'ar_value', label: 'AR by value', kind: 'ratio', formula: 'the same by the value of the orders' },
  { name: 'reversal_rate', label: 'Reversed', kind: 'ratio', formula: 'reversal rate: reversed ÷ conversions' },
  { name: 'maturity', label: 'Maturity', kind: 'ratio', formula: 'decided ÷ conversions: at 100 % nothing is open any more' },
] as const

/** readOrder takes from the address what the table can be ordered by. */
export function readOrder(text: string | null): string {
  return columns.some((c) => c.name === text?.replace(/^-/, '')) ? text! : ''
}

/** nextOrder is what a press on a column's heading asks for: the largest first, then the smallest, then as it was. */
export function nextOrder(order: string, column: string): string {
  if (order === `-${column}`) return column
  return order === column ? '' : `-${column}`
}

/** mature is the share of decided conversions from which figures are worth comparing. */
const mature = 0.8

/** isYoung says that too much of a row is still open to compare it with older ones. */
export function isYoung(row: Pick<Earnings, 'maturity' | 'conversions'>): boolean {
  return row.conversions > 0 && (row.maturity ?? 0) < mature
}

/** percent writes a ratio; a dash where there was nothing to divide by. */
export function percent(ratio: number | null | undefined): string {
  if (ratio === null || ratio === undefined) return '–'
  const digits = ratio !== 0 && Math.abs(ratio) < 0.1 ? 2 : 1
  return `${(ratio * 100).toFixed(digits).replace(/\.?0+$/, '')}\u00a0%`
}

/** nameOf is what a row is about. */
export function nameOf(row: Row, by: Dimension): string {
  const value = row[by]
  if (typeof value === 'string' && value !== '') return value
  return by === 'partner' ? 'we' : 'none'
}

/** conversionsOf is the address of the conversions behind a row, or "" where the list cannot choose them. */
export function conversionsOf(row: Row, by: Dimension, program: string): string {
  if (by === 'program' && row.program) return `/conversions?${new URLSearchParams({ program: nameOf(row, by) })}`
  if (by === 'partner' && row.partner && program) return `/conversions?${new URLSearchParams({ program, partner: nameOf(row, by) })}`
  return ''
}
