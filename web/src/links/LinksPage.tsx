import { useEffect, useId, useState } from 'react'
import { Link as Anchor, useNavigate, useSearchParams } from 'react-router'
import { count, plural } from '../format'
import { useNow, useDebounced, useTitle } from '../ui/hooks'
import { Icon } from '../ui/Icon'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { isFiltered, readFilters, statuses, writeFilters, type Filters } from './filters'
import { ImportDialog } from './ImportDialog'
import { LinkRows } from './LinkRows'
import { useLinks, usePrograms, useSites } from './queries'

export function LinksPage() {
  useTitle('Links')
  const [params, setParams] = useSearchParams()
  const filters = readFilters(params)
  const links = useLinks(filters)
  const [importing, setImporting] = useState(false)
  const now = useNow(60_000)
  const total = links.data?.pages.at(-1)?.total ?? 0
  const shown = links.data?.pages.reduce((n, page) => n + page.items.length, 0) ?? 0
  const change = (part: Partial<Filters>) => setParams((old) => writeFilters(old, part), { replace: true })
  const nothing = links.data !== undefined && shown === 0
  return (
    <>
      <div className="page-head">
        <h1>Links</h1>
        <button type="button" onClick={() => setImporting(true)}><Icon name="import" /> Import</button>
      </div>
      <FilterBar filters={filters} onChange={change} />
      <p className="hint tally" role="status">
        {links.data && !nothing && (isFiltered(filters) ? `${plural(total, 'link')} found` : plural(total, 'link'))}
        {nothing && isFiltered(filters) && 'No link found'}
      </p>
      {links.isError && <Trouble what="The links could not be loaded" error={links.error} retry={() => void links.refetch()} />}
      {links.isPending && <Waiting lines={6} label="Loading links" />}
      {nothing && (isFiltered(filters) ? <NothingFound onClear={() => setParams({}, { replace: true })} /> : <FirstLink onImport={() => setImporting(true)} />)}
      {!nothing && links.data && (
        <div className={links.isPlaceholderData ? 'stale' : ''}>
          <table className="links">
            <thead>
              <tr>
                <th scope="col">Link</th>
                <th scope="col">Leads to</th>
                <th scope="col" className="number" title="Valid clicks of the last seven days, today included">7 days</th>
                <th scope="col"><span className="sr-only">Actions</span></th>
              </tr>
            </thead>
            {links.data.pages.map((page, i) => <LinkRows key={i} links={page.items} now={now} onTag={(tag) => change({ tag })} />)}
          </table>
          {links.hasNextPage && (
            <p className="more">
              <button type="button" disabled={links.isFetchingNextPage} onClick={() => void links.fetchNextPage()}>
                {links.isFetchingNextPage ? 'Loading …' : `Show more (${count(shown)} of ${count(total)})`}
              </button>
            </p>
          )}
        </div>
      )}
      {importing && <ImportDialog onClose={() => setImporting(false)} />}
    </>
  )
}

function FilterBar({ filters, onChange }: { filters: Filters; onChange: (part: Partial<Filters>) => void }) {
  const id = useId()
  const sites = useSites().data ?? []
  const programs = usePrograms().data ?? []
  // What is typed is here first; the address follows when the typing pauses.
  const [text, setText] = useState(filters.q)
  const [told, setTold] = useState(filters.q)
  const settled = useDebounced(text, 200)
  if (filters.q !== told) {
    setTold(filters.q)
    if (filters.q !== settled) setText(filters.q)
  }
  useEffect(() => {
    if (settled === text && settled !== filters.q) onChange({ q: settled })
    // Only typing may change the address from here.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [settled])
  return (
    <form className="filters" role="search" onSubmit={(e) => e.preventDefault()}>
      <div className="search">
        <Icon name="search" />
        <label htmlFor={id} className="sr-only">Search links</label>
        <input id={id} type="search" placeholder="Search name, destination, tag or note" value={text} maxLength={200}
          autoComplete="off" spellCheck={false} onChange={(e) => setText(e.target.value)} />
      </div>
      {(sites.length > 1 || filters.site) && (
        <select aria-label="Site" value={filters.site} onChange={(e) => onChange({ site: e.target.value })}>
          <option value="">All sites</option>
          {sites.map((s) => <option key={s.id} value={s.id}>{s.name || s.id}</option>)}
          <Unknown value={filters.site} among={sites} />
        </select>
      )}
      {(programs.length > 0 || filters.program) && (
        <select aria-label="Program" value={filters.program} onChange={(e) => onChange({ program: e.target.value })}>
          <option value="">All programs</option>
          {programs.map((p) => <option key={p.id} value={p.id}>{p.name || p.id}</option>)}
          <Unknown value={filters.program} among={programs} />
        </select>
      )}
      <select aria-label="Status" value={filters.status} onChange={(e) => onChange({ status: e.target.value })}>
        <option value="">Any status</option>
        {statuses.map((s) => <option key={s} value={s}>{s}</option>)}
      </select>
      {filters.tag && (
        <button type="button" className="chip" onClick={() => onChange({ tag: '' })} aria-label={`Tag ${filters.tag}, remove`}>
          #{filters.tag} <Icon name="close" />
        </button>
      )}
    </form>
  )
}

/** Unknown keeps a filter visible that an old address names. */
function Unknown({ value, among }: { value: string; among: { id: string }[] }) {
  return value && !among.some((a) => a.id === value) ? <option value={value}>{value}</option> : null
}

function NothingFound({ onClear }: { onClear: () => void }) {
  return (
    <Empty title="No link matches">
      <p>The search looks into names, destinations, tags and notes.</p>
      <button type="button" onClick={onClear}>Show all links</button>
    </Empty>
  )
}

function FirstLink({ onImport }: { onImport: () => void }) {
  const [url, setURL] = useState('')
  const navigate = useNavigate()
  return (
    <Empty title="Add your first link">
      <p>Paste where it should lead. You get a short address that you can publish now and point elsewhere later.</p>
      <form
        className="one-line"
        onSubmit={(e) => {
          e.preventDefault()
          void navigate(`/links/new?${new URLSearchParams({ url })}`)
        }}
      >
        <input type="text" inputMode="url" aria-label="Where the link leads" placeholder="https://shop.example/kettle?tag=blog" autoFocus required
          value={url} onChange={(e) => setURL(e.target.value)} />
        <button type="submit" className="primary">Continue</button>
      </form>
      <p className="hint">
        Have links already? <button type="button" className="as-link" onClick={onImport}>Import a file</button>: CSV, JSON lines, or an
        nginx <code>map</code>. Or on the server: <code>sluice link import links.csv</code>.{' '}
        <Anchor to="/links/new">All settings of a link</Anchor>
      </p>
    </Empty>
  )
}
