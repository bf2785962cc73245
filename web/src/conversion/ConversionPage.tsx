import { Link as Anchor, useParams } from 'react-router'
import { RequestFailed } from '../api/problem'
import { dateTime } from '../format'
import { Amount, StateBadge } from '../money/Money'
import { useExplanation } from '../money/queries'
import type { Explanation } from '../money/words'
import { useTitle } from '../ui/hooks'
import { Icon } from '../ui/Icon'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { Decisions } from './Decisions'
import { Explained } from './Explained'

export function ConversionPage() {
  const id = useParams().id ?? ''
  const found = useExplanation(id)
  useTitle(found.data && `Order ${found.data.conversion.tx}`)
  if (found.error instanceof RequestFailed && found.error.status === 404) {
    return <Empty title="There is no such conversion" alone><p><Anchor to="/conversions">Show all conversions</Anchor></p></Empty>
  }
  if (found.isError && !found.data) return <Trouble what="The conversion could not be loaded" error={found.error} retry={() => void found.refetch()} />
  if (!found.data) return <Waiting lines={6} label="Loading the conversion" />
  const { conversion } = found.data
  return (
    <>
      <div className="page-head link-head">
        <div>
          <Anchor to="/conversions" className="crumb"><Icon name="back" /> Conversions</Anchor>
          <h1>{conversion.tx} <StateBadge state={conversion.state} /> {conversion.flagged && <span className="badge paused">flagged</span>}</h1>
          <p className="hint">{conversion.program} · ordered {dateTime(conversion.at)}{conversion.due && ` · changes next ${dateTime(conversion.due)}`}</p>
        </div>
        <Decisions conversion={conversion} />
      </div>
      <dl className="figures">
        <div className="figure"><dt>Order</dt><dd><Amount of={conversion.order} /></dd></div>
        <div className="figure"><dt>Commission</dt><dd><Amount of={conversion.earned} /></dd></div>
      </dl>
      <Shares found={found.data} />
      <Explained found={found.data} />
    </>
  )
}

function Shares({ found: { conversion: c, path } }: { found: Explanation }) {
  const facts: [string, string | undefined][] = [
    ['Event', c.event], ['Click', c.click_id], ['Clicked', c.click_at && dateTime(c.click_at)], ['Page', c.page], ['Variant', c.variant], ['Sub-ID', c.sub1],
    ['Coupon', c.coupon], ['Customer', c.customer], ['Id', c.id],
  ]
  return (
    <>
      <section className="card" aria-label="Who earns it">
        <h2 className="small-head">Who earns it</h2>
        {c.shares.length === 0 ? <p className="hint">Nobody: {c.state === 'unmatched' ? 'no click of ours has led to this order.' : 'no rate of the terms fits, or all was reversed.'}</p> : (
          <ul className="lines">{c.shares.map((s, i) => <li key={i}><strong>{s.partner || 'We'}</strong> <Amount of={s.amount} /> <span className="hint">{s.click_id ? `by click ${s.click_id}` : 'by coupon'}</span></li>)}</ul>
        )}
        <dl className="facts">
          {c.link !== undefined && <div><dt>Link</dt><dd><Anchor to={`/links/${c.link}`}>#{c.link}</Anchor></dd></div>}
          {facts.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
        </dl>
      </section>
      <section aria-label="Clicks before it">
        <div className="section-head"><h2>Clicks before it</h2></div>
        {path.length === 0 && <p className="hint">None of the customer’s clicks is known.</p>}
        <ol className="lines">
          {path.map((t) => (
            <li key={t.click_id}>
              {dateTime(t.at)} {t.partner && <strong>{t.partner}</strong>} {t.link !== undefined && <Anchor to={`/links/${t.link}`}>link #{t.link}</Anchor>} {t.page} <code>{t.click_id}</code>
            </li>
          ))}
        </ol>
      </section>
    </>
  )
}
