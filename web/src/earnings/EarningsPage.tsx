import { useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import { ProgramSelect } from '../money/ProgramSelect'
import { RangePicker } from '../report/RangePicker'
import { readRange, spanOf } from '../report/time'
import { useTitle } from '../ui/hooks'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { Discrepancies } from './Discrepancies'
import { EarningsTable } from './EarningsTable'
import { Figure } from './Figure'
import { fileOf, useEarnings } from './queries'
import { columns, dimensions, readDimension, readOrder, type Earnings } from './words'

export function EarningsPage() {
  useTitle('Reports')
  const [now] = useState(() => new Date())
  const [params, setParams] = useSearchParams()
  const choice = {
    by: readDimension(params.get('by')), program: (params.get('program') ?? '').slice(0, 64),
    currency: (params.get('currency') ?? '').slice(0, 3), order: readOrder(params.get('order')),
  }
  const span = spanOf(readRange(params), now)
  const report = useEarnings(choice, span)
  const show = (name: string, value: string) =>
    setParams((old) => {
      const out = new URLSearchParams(old)
      if (value) out.set(name, value)
      else out.delete(name)
      return out
    }, { replace: true })
  return (
    <>
      <div className="page-head">
        <h1>Reports</h1>
        <RangePicker now={now} />
      </div>
      <form className="filters sheet-filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <select aria-label="Rows by" value={choice.by} onChange={(e) => show('by', e.target.value)}>
          {dimensions.map((d) => <option key={d.by} value={d.by}>{d.label}</option>)}
        </select>
        <ProgramSelect value={choice.program} none="All programs" booked onChange={(p) => show('program', p)} />
        <input aria-label="All amounts in this currency" placeholder="Currency" size={8} maxLength={3} value={choice.currency} onChange={(e) => show('currency', e.target.value.toUpperCase())} />
        {span && <a className="button" href={fileOf(choice, span)} download={`earnings-by-${choice.by}.csv`}>Download CSV</a>}
      </form>
      <p className="hint">Conversions count at the time of their click, so that a row has the clicks and what came of them. A row stays young until four fifths of its conversions are decided.</p>
      <details>
        <summary>What the figures are</summary>
        <dl className="words">{columns.map((c) => <div key={c.name}><dt>{c.label}</dt><dd>{c.formula}</dd></div>)}</dl>
      </details>
      {report.isError && <Trouble what="The report could not be made" error={report.error} retry={() => void report.refetch()} />}
      {report.isPending && span && <Waiting lines={4} label="Counting" />}
      {report.data?.rows.length === 0 && (
        <Empty title="No clicks and no conversions in this time">
          <p>Where orders are reported to, each <Link to="/programs">program</Link> says in its settlement, and <code>sluice conversion address PROGRAM</code> on the command line.</p>
        </Empty>
      )}
      {report.data && report.data.rows.length > 0 && (
        <>
          {report.data.totals.map((t) => <Totals key={t.currency} of={t} />)}
          <EarningsTable report={report.data} by={choice.by} program={choice.program} order={choice.order} onOrder={(order) => show('order', order)} />
          {report.data.more && <p className="hint">There are more rows: the file has them.</p>}
        </>
      )}
      {span && <Discrepancies program={choice.program} since={span.since} />}
    </>
  )
}

function Totals({ of }: { of: Earnings }) {
  return (
    <dl className="figures" aria-label={`All of it${of.currency && ` in ${of.currency}`}`}>
      {columns.map((c) => <div key={c.name}><dt>{c.label}</dt><dd><Figure of={of} column={c} /></dd></div>)}
    </dl>
  )
}
