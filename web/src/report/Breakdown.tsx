// Clicks by one dimension, most first.
import { count, country, percent } from '../format'
import { Trouble, Waiting } from '../ui/Trouble'
import { useReport, type Question } from './queries'
import { number } from './time'

export interface BreakdownProps {
  title: string
  dimension: string
  question: Question | undefined
  /** what an empty value means */
  none?: string
  /** the column that is shown; "total" counts what is not valid too */
  metric?: 'clicks' | 'total'
  /** how many clicks there are by now, so that the rows follow */
  total?: number
  chosen?: string[]
  onChoose?: (value: string) => void
}

const shown = 8

export function Breakdown({ title, dimension, question, none = 'not known', metric = 'clicks', total, chosen = [], onChoose }: BreakdownProps) {
  const report = useReport(question && { ...question, by: [dimension], limit: shown, ...(metric === 'total' && { all: true }) }, { total })
  const rows = report.data?.rows.filter((row) => number(row, metric) > 0) ?? []
  const whole = report.data?.totals[metric] ?? 0
  const top = number(rows[0], metric)
  return (
    <section className="card breakdown" aria-label={title}>
      <h3>{title}</h3>
      {report.isError && <Trouble error={report.error} retry={() => void report.refetch()} />}
      {report.isPending && <Waiting lines={4} />}
      {report.data && rows.length === 0 && <p className="hint">Nothing in this time.</p>}
      <ol>
        {rows.map((row) => {
          const value = String(row[dimension] ?? '')
          const n = number(row, metric)
          const name = nameOf(dimension, value) || none
          const on = chosen.includes(value)
          const body = (
            <>
              <span className="bar" style={{ width: `${(100 * n) / Math.max(1, top)}%` }} aria-hidden="true" />
              <span className="bar-name" title={name}>{name}</span>
              <span className="bar-count" title={percent(n, whole)}>{count(n)}<span className="share"> {percent(n, whole)}</span></span>
            </>
          )
          return (
            <li key={value}>
              {onChoose
                ? <button type="button" className="bar-row" aria-pressed={on} onClick={() => onChoose(value)}>{body}</button>
                : <div className="bar-row">{body}</div>}
            </li>
          )
        })}
      </ol>
      {report.data?.more && <p className="hint">and others</p>}
      {/* the licence of the built-in data asks for it */}
      {dimension === 'network' && rows.length > 0 && <p className="hint credit"><a href="https://db-ip.com" rel="noopener noreferrer">IP Geolocation by DB-IP</a></p>}
    </section>
  )
}

export function nameOf(dimension: string, value: string): string {
  return dimension === 'country' ? country(value) : value
}
