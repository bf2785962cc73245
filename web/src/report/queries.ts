// The questions that pages ask about clicks.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { api, ask, type Report } from '../api/client'
import { zone } from '../format'
import { dateText, dayOf, number } from './time'

export interface Question {
  since: string
  until?: string
  by?: string[]
  is?: string[] // "country:DE"
  all?: boolean
  limit?: number
}

/** refreshEvery is how often numbers that are looked at are asked for again, in ms. */
export const refreshEvery = 2000

/** restFactor keeps a server that takes long to count from doing nothing else. */
const restFactor = 20

/** pace is in how many ms a question is asked again whose answer took so many. */
export const pace = (took = 0) => Math.max(refreshEvery, restFactor * took)

export function useReport(question: Question | undefined, options: { refresh?: boolean; total?: number } = {}) {
  return useQuery({
    // When another question shows that there are more clicks, this one is asked again.
    queryKey: ['report', question, options.total],
    queryFn: async ({ signal }) => {
      const began = performance.now()
      const report = await askReport(question!, signal)
      return { ...report, took: performance.now() - began }
    },
    enabled: question !== undefined,
    placeholderData: keepPreviousData,
    refetchInterval: options.refresh ? (query) => pace(query.state.data?.took) : false,
  })
}

function askReport({ since, until, by, is, all, limit }: Question, signal: AbortSignal): Promise<Report> {
  const query = { since, zone, ...(until && { until }), ...(by && { by }), ...(is?.length && { is }), ...(all && { all }), ...(limit && { limit }) }
  return ask(api.GET('/api/v1/reports/clicks', { params: { query }, signal }) as Promise<{ data?: Report; error?: unknown; response: Response }>)
}

/** LinkWeek is how one link did in the last days, oldest first. */
export interface LinkWeek {
  clicks: number
  days: number[]
}

export const weekDays = 7

/** useLinkWeeks asks once for all the links of a page. */
export function useLinkWeeks(ids: number[], now: Date) {
  const first = dayOf(now, 1 - weekDays)
  const keys = Array.from({ length: weekDays }, (_, i) => dateText(dayOf(first, i)))
  const report = useReport(
    ids.length > 0 ? { since: dateText(first), by: ['link', 'day'], is: ids.map((id) => `link:#${id}`), limit: 100 * weekDays * 10 } : undefined,
    { refresh: true },
  )
  return { ...report, weeks: report.data && weeksOf(report.data, keys) }
}

/** weeksOf sorts a report by link and day into one row per link. A link that was renamed has several. */
export function weeksOf(report: Pick<Report, 'rows'>, keys: string[]): Map<number, LinkWeek> {
  const out = new Map<number, LinkWeek>()
  for (const row of report.rows) {
    const id = Number(row.link_id)
    const week = out.get(id) ?? { clicks: 0, days: keys.map(() => 0) }
    const day = keys.indexOf(String(row.day))
    week.clicks += number(row, 'clicks')
    if (day >= 0) week.days[day]! += number(row, 'clicks')
    out.set(id, week)
  }
  return out
}
