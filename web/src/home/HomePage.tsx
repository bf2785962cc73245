import { Link as Anchor } from 'react-router'
import { bytes, count, duration, plural, short } from '../format'
import { useLinks, useSites } from '../links/queries'
import { Breakdown } from '../report/Breakdown'
import { ClicksChart } from '../report/ClicksChart'
import { useReport } from '../report/queries'
import { bars, dateText, dayOf, number, series, spanOf } from '../report/time'
import { useNow, useTitle } from '../ui/hooks'
import { Icon } from '../ui/Icon'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { useStatus } from './status'
import { warningsOf } from './warnings'

const anything = { q: '', site: '', tag: '', program: '', status: '' }

export function HomePage() {
  useTitle(undefined)
  const now = useNow(60_000)
  const links = useLinks(anything)
  const none = links.data?.pages[0]?.total === 0
  return (
    <>
      <h1 className="sr-only">Overview</h1>
      <Health />
      {none && (
        <Empty title="Welcome to Sluice">
          <p>Put a short address between your content and the shop. Change where it leads in one place, and see who follows it.</p>
          <p className="actions center">
            <Anchor className="button primary" to="/links/new"><Icon name="add" /> Add your first link</Anchor>
            <Anchor className="button" to="/links"><Icon name="import" /> Import links</Anchor>
          </p>
        </Empty>
      )}
      {!none && (
        <>
          <Figures now={now} links={links.data?.pages[0]?.total} />
          <Trend now={now} />
          <div className="breakdowns two">
            <TopLinks now={now} />
            <Breakdown title="Top referrers, 7 days" dimension="referrer" none="none sent" question={{ since: dateText(dayOf(now, -6)) }} />
          </div>
        </>
      )}
      <Sites now={now} />
    </>
  )
}

function Health() {
  const status = useStatus()
  if (status.isError) return <Trouble what="The server’s state is not known" error={status.error} retry={() => void status.refetch()} />
  const warnings = status.data ? warningsOf(status.data) : []
  return (
    <div aria-live="polite">
      {warnings.map((w) => (
        <div key={w.what + (w.where ?? '')} className="note warn with-icon">
          <Icon name="warning" />
          <div>
            <p><strong>{w.what}</strong>{w.where && <> <code>{w.where}</code></>}</p>
            {w.remedy && <p className="hint">{w.remedy}</p>}
          </div>
        </div>
      ))}
    </div>
  )
}

function Figures({ now, links }: { now: Date; links: number | undefined }) {
  const today = useReport({ since: dateText(now) }, { refresh: true })
  const week = useReport({ since: dateText(dayOf(now, -6)) }, { refresh: true })
  const before = useReport({ since: dateText(dayOf(now, -13)), until: dateText(dayOf(now, -7)) })
  const error = today.error ?? week.error
  if (error) return <Trouble what="The clicks could not be counted" error={error} retry={() => void Promise.all([today.refetch(), week.refetch()])} />
  const clicks = week.data?.totals.clicks
  const then = before.data?.totals.clicks ?? 0
  return (
    <dl className="figures">
      <Figure name="Clicks today" value={today.data?.totals.clicks} more={today.data && `${count(today.data.totals.uniques ?? 0)} unique`} />
      <Figure name="Clicks, 7 days" value={clicks} more={clicks !== undefined && then > 0 ? change(clicks, then) : undefined} />
      <Figure name="Unique visitors, 7 days" value={week.data?.totals.uniques} />
      <Figure name="Links" value={links} to="/links" />
    </dl>
  )
}

function change(now: number, before: number): string {
  const percent = Math.round((100 * (now - before)) / before)
  if (percent === 0) return 'as in the 7 days before'
  return `${count(Math.abs(percent))} % ${percent > 0 ? 'more' : 'less'} than in the 7 days before`
}

function Figure({ name, value, more, to }: { name: string; value: number | undefined; more?: string; to?: string }) {
  const text = value === undefined ? '·' : value >= 1_000_000 ? short(value) : count(value)
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd title={value === undefined ? undefined : count(value)}>{to ? <Anchor to={to}>{text}</Anchor> : text}</dd>
      {more && <dd className="more-words">{more}</dd>}
    </div>
  )
}

function Trend({ now }: { now: Date }) {
  const span = spanOf({ name: '30d', from: '', to: '' }, now)!
  const report = useReport({ since: span.since, by: ['day'] }, { refresh: true })
  const list = bars(span)
  return (
    <section className="card" aria-label="Clicks of the last 30 days">
      <h2 className="small-head">Last 30 days</h2>
      {report.isPending && <Waiting lines={5} />}
      {report.isError && <Trouble error={report.error} retry={() => void report.refetch()} />}
      {report.data && <ClicksChart at={list.map((b) => b.at)} unit="day" clicks={series(list, report.data.rows, 'day', 'clicks')} uniques={series(list, report.data.rows, 'day', 'uniques')} />}
    </section>
  )
}

function TopLinks({ now }: { now: Date }) {
  const report = useReport({ since: dateText(dayOf(now, -6)), by: ['link'], limit: 8 })
  // Requests for names that are not known have no link.
  const rows = report.data?.rows.filter((r) => Number(r.link_id) > 0 && number(r, 'clicks') > 0) ?? []
  const top = number(rows[0], 'clicks')
  return (
    <section className="card breakdown" aria-label="Top links, 7 days">
      <h3>Top links, 7 days</h3>
      {report.isError && <Trouble error={report.error} retry={() => void report.refetch()} />}
      {report.isPending && <Waiting lines={4} />}
      {report.data && rows.length === 0 && <p className="hint">No clicks in this time.</p>}
      <ol>
        {rows.map((row) => (
          <li key={`${String(row.link_id)} ${String(row.link)}`}>
            <Anchor className="bar-row" to={`/links/${String(row.link_id)}?range=7d`}>
              <span className="bar" style={{ width: `${(100 * number(row, 'clicks')) / Math.max(1, top)}%` }} aria-hidden="true" />
              <span className="bar-name">{String(row.link)}</span>
              <span className="bar-count">{count(number(row, 'clicks'))}</span>
            </Anchor>
          </li>
        ))}
      </ol>
    </section>
  )
}

function Sites({ now }: { now: Date }) {
  const sites = useSites()
  const report = useReport({ since: dateText(dayOf(now, -6)), by: ['site'] })
  const status = useStatus().data
  const clicks = new Map(report.data?.rows.map((r) => [String(r.site), number(r, 'clicks')]))
  return (
    <section aria-label="Sites and server">
      <h2 className="small-head">Sites</h2>
      {sites.isError && <Trouble error={sites.error} retry={() => void sites.refetch()} />}
      <ul className="sites">
        {sites.data?.map((site) => (
          <li key={site.id} className="card">
            <Anchor to={`/links?${new URLSearchParams({ site: site.id })}`}><strong>{site.name || site.id}</strong></Anchor>
            <span className="hint">{site.hosts?.length ? `${site.hosts[0]}${site.prefix}…${site.hosts.length > 1 ? ` and ${plural(site.hosts.length - 1, 'other host')}` : ''}` : `every other host, ${site.prefix}…`}</span>
            <span>{plural(clicks.get(site.id) ?? 0, 'click')} in 7 days</span>
          </li>
        ))}
      </ul>
      {status && (
        <p className="hint server">
          Sluice {status.version}, up {duration(status.uptime_seconds)}
          {status.pipeline && <> · reports are {status.pipeline.records === 0 ? 'up to date' : `${duration(status.pipeline.seconds)} behind`}</>}
          {status.analytics && <> · {plural(status.analytics.clicks, 'click')} kept</>}
          {status.disk && <> · {bytes(status.disk.free_bytes)} of disk free</>}
        </p>
      )}
    </section>
  )
}
