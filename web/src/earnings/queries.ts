// The questions of the page about money.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { api, ask } from '../api/client'
import { zone } from '../format'
import type { Span } from '../report/time'
import type { Dimension, EarningsReport } from './words'

const rowsMax = 200
const fileRowsMax = 100_000

export interface Choice {
  by: Dimension
  program: string
  currency: string // "" reports each currency by itself
  order: string // a column, with - in front for the largest first; "" is the API's own order
}

/** queryOf is a choice in the words of the API. A currency that is not typed to its end is left out. */
export function queryOf({ by, program, currency, order }: Choice, { since, until }: Pick<Span, 'since' | 'until'>, zone: string) {
  return {
    by: [by], since, zone, limit: rowsMax, ...(order && { order }),
    ...(until && { until }), ...(program && { is: [`program:${program}`] }), ...(/^[A-Z]{3}$/.test(currency) && { currency }),
  }
}

export function useEarnings(choice: Choice, span: Span | undefined) {
  const query = span && queryOf(choice, span, zone)
  return useQuery({
    queryKey: ['earnings', query],
    enabled: query !== undefined,
    queryFn: ({ signal }) => ask(api.GET('/api/v1/reports/earnings', { params: { query: query! }, signal }) as Promise<{ data?: EarningsReport; error?: unknown; response: Response }>),
    placeholderData: keepPreviousData,
  })
}

/** fileOf is the address of the same report as a table for spreadsheets. */
export function fileOf(choice: Choice, span: Span): string {
  const out = new URLSearchParams({ format: 'csv' })
  for (const [name, value] of Object.entries({ ...queryOf(choice, span, zone), limit: fileRowsMax })) out.set(name, Array.isArray(value) ? value.join(',') : String(value))
  return `/api/v1/reports/earnings?${out}`
}

export function useDiscrepancies(program: string, since: string) {
  const query = { limit: 100, since, ...(program && { program }) }
  return useQuery({
    queryKey: ['discrepancies', query],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/reports/discrepancies', { params: { query }, signal })),
  })
}
