// Why a conversion is what it is: what was reported, which rules said what, what was posted.
import { dateTime } from '../format'
import { Amount } from '../money/Money'
import { spoken, type Explanation } from '../money/words'

export function Explained({ found }: { found: Explanation }) {
  return (
    <>
      <section aria-label="Reports">
        <div className="section-head"><h2>Reports, as they came</h2></div>
        <ol className="cards">{found.reports.map((r) => <Report key={r.id} report={r} />)}</ol>
      </section>
      {found.decisions.length > 0 && (
        <section aria-label="Decisions">
          <div className="section-head"><h2>Decisions of people</h2></div>
          <ol className="lines">
            {found.decisions.map((d, i) => (
              <li key={i}>{dateTime(d.at)} <strong>{d.author}</strong> {d.do} {d.amount && <Amount of={d.amount} />} {d.reason && spoken(d.reason)} {d.note && <q>{d.note}</q>}</li>
            ))}
          </ol>
        </section>
      )}
      <section aria-label="Rules">
        <div className="section-head"><h2>Rules that were applied</h2></div>
        <ol className="lines numbered">{found.steps.map((s, i) => <li key={i}><strong>{spoken(s.rule)}</strong> {s.text}</li>)}</ol>
      </section>
      <section aria-label="Postings">
        <div className="section-head"><h2>Postings</h2></div>
        {found.postings.length === 0 && <p className="hint">Nothing was posted.</p>}
        <ol className="cards">{found.postings.map((p) => <Posting key={p.id} posting={p} />)}</ol>
      </section>
    </>
  )
}

function Report({ report: r }: { report: Explanation['reports'][number] }) {
  const facts: [string, string | undefined][] = [
    ['Amount', r.amount?.text], ['Came as', r.received?.text], ['Commission, by the sender', r.payout?.text],
    ['Rate', r.rate && `1 ${r.rate.from} is ${r.rate.rate} ${r.rate.to} (${r.rate.source}, ${r.rate.date})`],
    ['Happened', dateTime(r.at)], ['In the sender’s word', r.original], ['Reason', r.reason && spoken(r.reason)], ['Event', r.event], ['Category', r.category],
    ['Customer', [r.customer, r.customer_id].filter(Boolean).join(' ')], ['Coupon', r.coupon], ['Click', r.click_id], ['Sub-IDs', r.subs?.join(', ')],
    ['Clicks of the browser', r.touches?.join(', ')], ['Id', r.id],
  ]
  return (
    <li className="card">
      <p><strong>{r.status}</strong> by {r.source}, taken in {dateTime(r.taken)}</p>
      <dl className="facts">{facts.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
    </li>
  )
}

function Posting({ posting: p }: { posting: Explanation['postings'][number] }) {
  return (
    <li className="card">
      <p><strong>{p.why}</strong> {dateTime(p.at)} {p.author && `by ${p.author}`} {p.reason && `· ${spoken(p.reason)}`} {p.note && <q>{p.note}</q>}</p>
      <div className="sheet plain" role="region" aria-label={`Entries of ${p.why}`} tabIndex={0}>
        <table>
          <thead><tr><th scope="col">Account</th><th scope="col" className="number">Gets</th><th scope="col" className="number">Has then</th></tr></thead>
          <tbody>{p.entries.map((e, i) => <tr key={i}><th scope="row">{e.account}</th><td className="number"><Amount of={e.amount} /></td><td className="number"><Amount of={e.sum} /></td></tr>)}</tbody>
        </table>
      </div>
    </li>
  )
}
