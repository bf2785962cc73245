import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link as Anchor, useLocation, useNavigate, useParams, useSearchParams } from 'react-router'
import { api, ask, ifMatch, type Fault, type Link, type LinkStatus } from '../api/client'
import { RequestFailed } from '../api/problem'
import { labelOf } from '../api/faults'
import { ruleText } from '../editor/merge'
import { count, dateTime, percent, withoutScheme } from '../format'
import { shownStatus } from '../links/cap'
import { useLink } from '../links/queries'
import { Breakdown, nameOf } from '../report/Breakdown'
import { ClicksChart } from '../report/ClicksChart'
import { useReport, type Question } from '../report/queries'
import { RangePicker } from '../report/RangePicker'
import { bars, readRange, series, spanOf } from '../report/time'
import { StatusBadge } from '../ui/Badge'
import { CopyButton } from '../ui/CopyButton'
import { Confirm } from '../ui/Dialog'
import { useNow, useTitle } from '../ui/hooks'
import { Icon } from '../ui/Icon'
import { useNotice } from '../ui/notices'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { Cap } from './Cap'
import { History } from './History'

export function LinkPage() {
  const id = Number(useParams().id)
  const link = useLink(Number.isInteger(id) && id > 0 ? id : 0)
  useTitle(link.data?.slug)
  if (link.error instanceof RequestFailed && (link.error.status === 404 || link.error.status === 422)) return <Gone id={id} />
  if (link.isError && !link.data) return <Trouble what="The link could not be loaded" error={link.error} retry={() => void link.refetch()} />
  if (!link.data) return <Waiting lines={5} label="Loading the link" />
  return (
    <>
      <Head link={link.data} />
      <Warnings />
      <Target link={link.data} />
      {link.data.cap && <Cap link={link.data} />}
      <Clicks link={link.data} />
      <History id={link.data.id} version={link.data.version} />
    </>
  )
}

function Gone({ id }: { id: number }) {
  return (
    <>
      <Empty title="There is no such link" alone>
        <p>It may have been removed. <Anchor to="/links">Show all links</Anchor></p>
      </Empty>
      {id > 0 && <History id={id} version={0} />}
    </>
  )
}

function Head({ link }: { link: Link }) {
  return (
    <div className="page-head link-head">
      <div>
        <Anchor to="/links" className="crumb"><Icon name="back" /> Links</Anchor>
        <h1>{link.slug} <StatusBadge status={shownStatus(link)} /></h1>
        {link.short_url
          ? <p className="short-url"><a href={link.short_url} target="_blank" rel="noreferrer">{link.short_url}</a> <CopyButton text={link.short_url} /></p>
          : <p className="hint">The site {link.site} has no host name yet, so there is no address to copy.</p>}
      </div>
      <Actions link={link} />
    </div>
  )
}

function Actions({ link }: { link: Link }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const notice = useNotice()
  const [asked, setAsked] = useState<LinkStatus | 'delete'>()
  const change = useMutation({
    mutationFn: (status: LinkStatus) =>
      ask(api.PATCH('/api/v1/links/{id}', {
        params: { path: { id: link.id }, header: { 'If-Match': ifMatch(link.version) } }, body: { status },
      })),
    onSuccess: (changed) => {
      client.setQueryData(['link', link.id], changed)
      void client.invalidateQueries({ queryKey: ['links'] })
      notice(changed.status === 'active' ? `${link.slug} is active` : `${link.slug} is ${changed.status}`)
      setAsked(undefined)
    },
    onError: (error) => {
      if (error instanceof RequestFailed && error.status === 412) void client.invalidateQueries({ queryKey: ['link', link.id] })
    },
  })
  const remove = useMutation({
    mutationFn: () => ask(api.DELETE('/api/v1/links/{id}', { params: { path: { id: link.id }, header: { 'If-Match': ifMatch(link.version) } } })),
    onSuccess: async () => {
      notice(`${link.slug} is removed`)
      await navigate('/links')
      client.removeQueries({ queryKey: ['link', link.id] })
      void client.invalidateQueries({ queryKey: ['links'] })
    },
  })
  const close = () => {
    setAsked(undefined)
    change.reset()
    remove.reset()
  }
  return (
    <div className="actions">
      <Anchor className="button" to={`/links/${link.id}/edit`}><Icon name="edit" /> Edit</Anchor>
      {link.status === 'active'
        ? <button type="button" onClick={() => setAsked('paused')}><Icon name="pause" /> Pause</button>
        : <button type="button" disabled={change.isPending} onClick={() => change.mutate('active')}><Icon name="play" /> Activate</button>}
      {link.status !== 'archived' && <button type="button" onClick={() => setAsked('archived')}><Icon name="archive" /> Archive</button>}
      <button type="button" className="danger-text" onClick={() => setAsked('delete')}><Icon name="remove" /> Delete</button>
      {change.error && !asked && <Failed error={change.error} />}
      {(asked === 'paused' || asked === 'archived') && (
        <Confirm title={asked === 'paused' ? `Pause ${link.slug}?` : `Archive ${link.slug}?`} action={asked === 'paused' ? 'Pause' : 'Archive'}
          busy={change.isPending} onConfirm={() => change.mutate(asked)} onClose={close}>
          <p>Visitors will get {link.fallback ? <>its fallback, <code>{link.fallback}</code></> : 'the site’s default instead of its destinations'}. You can activate it again at any time.</p>
          {change.error && <Failed error={change.error} />}
        </Confirm>
      )}
      {asked === 'delete' && (
        <Confirm title={`Delete ${link.slug} for good?`} action="Delete for good" danger busy={remove.isPending} onConfirm={() => remove.mutate()} onClose={close}>
          <p>Its address will be unknown wherever it is published, and its fallback goes too. Clicks so far stay in the reports. To keep the fallback, archive it instead.</p>
          {remove.error && <Failed error={remove.error} />}
        </Confirm>
      )}
    </div>
  )
}

function Failed({ error }: { error: unknown }) {
  if (error instanceof RequestFailed && error.status === 412) {
    return <div className="note warn" role="alert"><p>Somebody changed the link meanwhile. The page shows it as it is now: look at it, then try again.</p></div>
  }
  return <Trouble error={error} />
}

/** Warnings are what the server said of the change that led here. */
function Warnings() {
  const state = useLocation().state as { warnings?: Fault[] } | null
  if (!state?.warnings?.length) return null
  return (
    <div className="note warn" role="status">
      <p><strong>Saved. Is this meant?</strong></p>
      <ul>{state.warnings.map((w) => <li key={w.field + w.message}>{labelOf(w.field)}: {w.message}</li>)}</ul>
    </div>
  )
}

function Target({ link }: { link: Link }) {
  const total = link.destinations.reduce((sum, d) => sum + (d.weight ?? 0), 0)
  const facts: [string, string | undefined][] = [
    ['Program', link.program], ['Partner', link.partner], ['Page', link.page], ['Redirect', link.code === 302 ? undefined : String(link.code)],
    ['Starts', link.starts_at && dateTime(link.starts_at)], ['Ends', link.ends_at && dateTime(link.ends_at)], ['Fallback', link.fallback], ['Note', link.note],
  ]
  const given = facts.filter(([, value]) => value)
  return (
    <section className="card" aria-label="Where it leads">
      <ul className="destinations">
        {link.destinations.map((d) => (
          <li key={d.id}>
            {link.destinations.length > 1 && <span className="variant" title={`weight ${d.weight ?? 0}`}>{d.id} · {percent(d.weight ?? 0, total)}</span>}
            <Icon name="arrow" /> <span className="url">{d.url}</span> {d.down && <span className="badge paused">down</span>}
          </li>
        ))}
      </ul>
      {link.rules && link.rules.length > 0 && (
        <details className="fold plain">
          <summary>{link.rules.length === 1 ? '1 rule comes first' : `${link.rules.length} rules come first`}</summary>
          <ol className="rules-list">{link.rules.map((r) => <li key={r.id}><strong>{r.id}</strong> {ruleText(r)}</li>)}</ol>
        </details>
      )}
      {(given.length > 0 || (link.tags?.length ?? 0) > 0) && (
        <dl className="facts">
          {given.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
          {link.tags && link.tags.length > 0 && (
            <div><dt>Tags</dt><dd>{link.tags.map((t) => <Anchor key={t} className="tag" to={`/links?${new URLSearchParams({ tag: t })}`}>#{t}</Anchor>)}</dd></div>
          )}
        </dl>
      )}
    </section>
  )
}

const breakdowns: { title: string; dimension: string; none: string; metric?: 'total' }[] = [
  { title: 'Countries', dimension: 'country', none: 'not known' },
  { title: 'Devices', dimension: 'device', none: 'not known' },
  { title: 'Browsers', dimension: 'browser', none: 'not known' },
  { title: 'Referrers', dimension: 'referrer', none: 'none sent' },
  { title: 'Variants', dimension: 'variant', none: 'no destination' },
  { title: 'Pages', dimension: 'page', none: 'none named' },
  { title: 'Verdicts, all requests', dimension: 'verdict', none: '', metric: 'total' },
  { title: 'Systems', dimension: 'os', none: 'not known' },
  { title: 'Networks', dimension: 'network', none: 'not known' },
]

function Clicks({ link }: { link: Link }) {
  const [params, setParams] = useSearchParams()
  const now = useNow(60_000)
  const span = spanOf(readRange(params), now)
  const chosen = params.getAll('is')
  const question: Question | undefined = span && { since: span.since, until: span.until, is: [`link:#${link.id}`, ...chosen] }
  const report = useReport(question && span && { ...question, by: [span.unit], all: true, limit: 5000 }, { refresh: true })
  const toggle = (condition: string) =>
    setParams((old) => {
      const out = new URLSearchParams(old)
      out.delete('is')
      const rest = chosen.filter((c) => c !== condition)
      for (const c of rest.length < chosen.length ? rest : [...chosen, condition]) out.append('is', c)
      return out
    }, { replace: true, preventScrollReset: true })
  const list = span ? bars(span) : []
  const totals = report.data?.totals
  const silent = totals !== undefined && !totals.total
  return (
    <section aria-label="Clicks" className={report.isPlaceholderData ? 'stale' : ''}>
      <div className="section-head">
        <h2>Clicks</h2>
        <RangePicker now={now} />
      </div>
      {chosen.length > 0 && (
        <p className="chips">
          {chosen.map((c) => {
            const [dimension = '', ...rest] = c.split(':')
            return (
              <button key={c} type="button" className="chip" onClick={() => toggle(c)} aria-label={`Remove the condition ${c}`}>
                {dimension}: {nameOf(dimension, rest.join(':')) || 'none'} <Icon name="close" />
              </button>
            )
          })}
        </p>
      )}
      {report.isError && <Trouble what="The clicks could not be counted" error={report.error} retry={() => void report.refetch()} />}
      {totals && (
        <dl className="figures" aria-live="polite">
          <Figure name="Clicks" value={totals.clicks ?? 0} help="Valid clicks: bots, prefetches and repeats within seconds are left out" />
          <Figure name="Unique visitors" value={totals.uniques ?? 0} help="First valid click of a visitor on this link within 24 hours" />
          <Figure name="Not counted" value={(totals.total ?? 0) - (totals.clicks ?? 0)} help={`Of ${count(totals.total ?? 0)} requests: ${count(totals.bots ?? 0)} by bots, ${count(totals.prefetches ?? 0)} prefetches, the rest repeats or fraud`} />
        </dl>
      )}
      {silent && (
        <Empty title="No clicks in this time">
          {link.short_url && shownStatus(link) === 'active' && chosen.length === 0
            ? <p>Open <a href={link.short_url} target="_blank" rel="noreferrer">{withoutScheme(link.short_url)}</a> to try it: the click is here within seconds.</p>
            : <p>Choose another time{chosen.length > 0 && ', or fewer conditions'}.</p>}
        </Empty>
      )}
      {span && report.data && !report.isPlaceholderData && !silent && (
        <div className="card">
          <ClicksChart at={list.map((b) => b.at)} unit={span.unit} clicks={series(list, report.data.rows, span.unit, 'clicks')} uniques={series(list, report.data.rows, span.unit, 'uniques')} />
        </div>
      )}
      {report.isPending && span && <Waiting lines={5} label="Counting clicks" />}
      {question && !silent && (
        <div className="breakdowns">
          {breakdowns.map((b) => (
            <Breakdown key={b.dimension} {...b} question={question} total={totals?.total}
              chosen={chosen.filter((c) => c.startsWith(b.dimension + ':')).map((c) => c.slice(b.dimension.length + 1))}
              onChoose={(value) => toggle(`${b.dimension}:${value}`)} />
          ))}
        </div>
      )}
    </section>
  )
}

function Figure({ name, value, help }: { name: string; value: number; help: string }) {
  return (
    <div className="figure" title={help}>
      <dt>{name}</dt>
      <dd>{count(value)}</dd>
    </div>
  )
}
