import { useState } from 'react'
import { Link as Anchor, useSearchParams } from 'react-router'
import { dateTime } from '../format'
import { Amount, StateBadge } from '../money/Money'
import { ProgramSelect } from '../money/ProgramSelect'
import { useConversions } from '../money/queries'
import { earners, type Conversion } from '../money/words'
import { useTitle } from '../ui/hooks'
import { Icon } from '../ui/Icon'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { isFiltered, readFilters, states, writeFilters, type Filters } from './filters'

export function ConversionsPage() {
  useTitle('Conversions')
  const [params, setParams] = useSearchParams()
  const filters = readFilters(params)
  const list = useConversions(filters)
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const nothing = list.data !== undefined && items.length === 0
  return (
    <>
      <div className="page-head"><h1>Conversions</h1></div>
      <FilterBar key={filters.partner + filters.click} filters={filters} onChange={(part) => setParams(writeFilters(filters, part), { replace: true })} />
      {list.isError && <Trouble what="The conversions could not be loaded" error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Waiting lines={6} label="Loading conversions" />}
      {nothing && (isFiltered(filters) ? (
        <Empty title="No conversion matches">
          <button type="button" onClick={() => setParams({}, { replace: true })}>Show all conversions</button>
        </Empty>
      ) : (
        <Empty title="No conversions yet">
          <p>An order becomes one when the merchant reports it. <Anchor to="/programs">Choose a program</Anchor> to find the address it reports to. What was refused is among the <Anchor to="/rejected">rejected reports</Anchor>.</p>
        </Empty>
      ))}
      {items.length > 0 && (
        <div className={list.isPlaceholderData ? 'stale' : ''}>
          <div className="sheet" role="region" aria-label="Conversions" tabIndex={0}>
            <table>
              <thead>
                <tr>
                  <th scope="col">Ordered</th><th scope="col">Program</th><th scope="col">Transaction</th><th scope="col">State</th>
                  <th scope="col" className="number">Order</th><th scope="col" className="number">Commission</th><th scope="col">Who earns it</th>
                </tr>
              </thead>
              <tbody>{items.map((c) => <Row key={c.id} conversion={c} />)}</tbody>
            </table>
          </div>
          {list.hasNextPage && (
            <p className="more">
              <button type="button" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{list.isFetchingNextPage ? 'Loading …' : 'Show earlier ones'}</button>
            </p>
          )}
        </div>
      )}
    </>
  )
}

function Row({ conversion: c }: { conversion: Conversion }) {
  return (
    <tr>
      <td>{dateTime(c.at)}</td>
      <td>{c.program}</td>
      <th scope="row"><Anchor to={`/conversions/${encodeURIComponent(c.id)}`}>{c.tx}</Anchor>{c.event && <span className="sub">{c.event}</span>}</th>
      <td><StateBadge state={c.state} /> {c.flagged && <span className="badge paused" title="Held: only a person moves it on"><Icon name="warning" /> flagged</span>}</td>
      <td className="number"><Amount of={c.order} /></td>
      <td className="number"><Amount of={c.earned} /></td>
      <td>{earners(c.shares)}</td>
    </tr>
  )
}

function FilterBar({ filters, onChange }: { filters: Filters; onChange: (part: Partial<Filters>) => void }) {
  const [click, setClick] = useState(filters.click)
  const [partner, setPartner] = useState(filters.partner)
  return (
    <form
      className="filters sheet-filters" role="search"
      onSubmit={(e) => {
        e.preventDefault()
        onChange({ click: click.trim(), partner: partner.trim() })
      }}
    >
      <ProgramSelect value={filters.program} none="All programs" onChange={(program) => onChange({ program })} />
      <select aria-label="State" value={filters.state} onChange={(e) => onChange({ state: e.target.value })}>
        <option value="">Any state</option>
        {states.map((s) => <option key={s} value={s}>{s}</option>)}
      </select>
      <label>From <input type="date" value={filters.since} onChange={(e) => onChange({ since: e.target.value })} /></label>
      <label>to <input type="date" value={filters.until} onChange={(e) => onChange({ until: e.target.value })} /></label>
      {filters.program && <input type="text" aria-label="Partner" placeholder="Partner" maxLength={64} value={partner} onChange={(e) => setPartner(e.target.value)} />}
      <input type="text" aria-label="Click id" placeholder="Click id" maxLength={64} spellCheck={false} autoComplete="off" value={click} onChange={(e) => setClick(e.target.value)} />
      <button type="submit">Filter</button>
    </form>
  )
}
