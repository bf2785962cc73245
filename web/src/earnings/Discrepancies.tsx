import { Link } from 'react-router'
import { dateTime } from '../format'
import { spoken } from '../money/words'
import { Trouble, Waiting } from '../ui/Trouble'
import { useDiscrepancies } from './queries'

/** Discrepancies lists what does not add up: each names what to look at. */
export function Discrepancies({ program, since }: { program: string; since: string }) {
  const list = useDiscrepancies(program, since)
  return (
    <section aria-label="Discrepancies">
      <div className="section-head"><h2>Discrepancies</h2></div>
      {list.isError && <Trouble what="The discrepancies could not be loaded" error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Waiting label="Looking for discrepancies" />}
      {list.data?.items.length === 0 && <p className="hint">Nothing: what was reported, what was earned and what was posted agree.</p>}
      <ol className="cards">
        {list.data?.items.map((d, i) => (
          <li key={i} className="card">
            <p><span className="badge paused">{spoken(d.kind)}</span> <strong>{d.message}</strong></p>
            <p className="hint">{[dateTime(d.at), d.program, d.amount?.text].filter(Boolean).join(' · ')} · <Subject kind={d.kind} of={d.subject} program={d.program} /></p>
          </li>
        ))}
      </ol>
      {list.data?.more && <p className="hint">There are more: the command <code>sluice report discrepancies</code> lists them.</p>}
    </section>
  )
}

function Subject({ kind, of, program }: { kind: string; of: string; program: string }) {
  if (kind === 'rejected_reports') return <Link to={`/rejected?${new URLSearchParams({ reason: of })}`}>rejected reports</Link>
  if (kind === 'amounts_differ' || kind === 'currencies_differ') return <Link to={`/conversions?${new URLSearchParams({ program })}`}>order {of}</Link>
  return <Link to={`/conversions/${encodeURIComponent(of)}`}>conversion</Link>
}
