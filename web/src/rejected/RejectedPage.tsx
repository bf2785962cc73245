import { useSearchParams } from 'react-router'
import { dateTime } from '../format'
import { ProgramSelect } from '../money/ProgramSelect'
import { useRejections } from '../money/queries'
import { spoken } from '../money/words'
import { useTitle } from '../ui/hooks'
import { Icon } from '../ui/Icon'
import { Empty, Trouble, Waiting } from '../ui/Trouble'

export function RejectedPage() {
  useTitle('Rejected reports')
  const [params, setParams] = useSearchParams()
  const program = (params.get('program') ?? '').slice(0, 64)
  const reason = (params.get('reason') ?? '').slice(0, 64)
  const list = useRejections(program, reason)
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const show = (change: { program?: string; reason?: string }) =>
    setParams(Object.entries({ program, reason, ...change }).filter(([, value]) => value), { replace: true })
  return (
    <>
      <div className="page-head"><h1>Rejected reports</h1></div>
      <form className="filters sheet-filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <ProgramSelect value={program} none="All programs" onChange={(p) => show({ program: p })} />
        {reason && <button type="button" className="chip" onClick={() => show({ reason: '' })} aria-label={`Reason ${spoken(reason)}, remove`}>{spoken(reason)} <Icon name="close" /></button>}
      </form>
      {list.isError && <Trouble what="The rejected reports could not be loaded" error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Waiting lines={5} label="Loading rejected reports" />}
      {list.data && items.length === 0 && (
        <Empty title={program || reason ? 'No rejected report matches' : 'No report was rejected'}>
          {program || reason ? <button type="button" onClick={() => setParams({}, { replace: true })}>Show all</button> : <p>A report that cannot be booked is kept here with the reason, so that its sender can mend it and send it again.</p>}
        </Empty>
      )}
      <ol className="cards">
        {items.map((r) => (
          <li key={r.id} className="card">
            <p>
              <button type="button" className="tag" aria-label={`Only those refused for ${spoken(r.reason)}`} onClick={() => show({ reason: r.reason })}>{spoken(r.reason)}</button>{' '}
              <strong>{r.message}</strong>
            </p>
            <p className="hint">{[dateTime(r.at), `by ${r.source}`, r.program, r.remote && `from ${r.remote}`].filter(Boolean).join(' · ')}</p>
            <pre className="raw" tabIndex={0} aria-label="The report as it came">{r.raw}</pre>
          </li>
        ))}
      </ol>
      {list.hasNextPage && <p className="more"><button type="button" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{list.isFetchingNextPage ? 'Loading …' : 'Show earlier ones'}</button></p>}
    </>
  )
}
