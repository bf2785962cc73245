import { useQuery } from '@tanstack/react-query'
import { Link as Anchor, useParams } from 'react-router'
import { api, ask, type Program } from '../api/client'
import { RequestFailed } from '../api/problem'
import { dateTime } from '../format'
import { spoken } from '../money/words'
import { CopyButton } from '../ui/CopyButton'
import { useTitle } from '../ui/hooks'
import { Icon } from '../ui/Icon'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { approvalText, minorText, rateText } from './terms'

export function SettlementPage() {
  const id = useParams().id ?? ''
  const program = useQuery({ queryKey: ['program', id], queryFn: ({ signal }) => ask(api.GET('/api/v1/programs/{program}', { params: { path: { program: id } }, signal })) })
  useTitle(program.data && `${program.data.name || program.data.id}: settlement`)
  if (program.error instanceof RequestFailed && program.error.status === 404) return <Empty title="There is no such program" alone><p><Anchor to="/programs">Show all programs</Anchor></p></Empty>
  if (program.isError) return <Trouble what="The program could not be loaded" error={program.error} retry={() => void program.refetch()} />
  if (!program.data) return <Waiting lines={5} label="Loading the program" />
  return (
    <>
      <div className="page-head">
        <div>
          <Anchor to="/programs" className="crumb"><Icon name="back" /> Programs</Anchor>
          <h1>{program.data.name || program.data.id}</h1>
        </div>
        {program.data.settlement && (
          <div className="actions">
            <Anchor className="button" to={`/conversions?program=${encodeURIComponent(id)}`}>Conversions</Anchor>
            <Anchor className="button" to={`/payouts?program=${encodeURIComponent(id)}`}>Payouts</Anchor>
          </div>
        )}
      </div>
      {program.data.settlement ? <><Terms settlement={program.data.settlement} /><Addresses id={id} /></> : (
        <Empty title="No books are kept of this program"><p>Give it settlement terms, on the server or through the API; then orders can be reported.</p></Empty>
      )}
    </>
  )
}

function Terms({ settlement: s }: { settlement: NonNullable<Program['settlement']> }) {
  const currency = s.currency ?? ''
  const facts: [string, string | undefined][] = [
    ['Currency', currency], ['Least payout', s.minimum_payout ? minorText(s.minimum_payout, currency) : 'any'],
    ['Attribution', s.attribution?.model ?? 'last'], ['A click counts for', `${s.attribution?.window_days ?? 30} days`], ['Coupons', s.attribution?.coupon_first ? 'win over clicks' : 'after clicks'],
    ['Second reports', spoken(s.duplicates ?? 'reject')], ['Payouts', s.confirm ? 'approved by a second person' : 'approved by anyone who may'],
  ]
  return (
    <section className="card" aria-label="Settlement terms">
      <h2 className="small-head">Settlement terms</h2>
      <ol className="lines">
        {(s.terms ?? []).map((t, i) => (
          <li key={t.from ?? i}>
            <strong>{t.from ? `From ${dateTime(t.from)}` : 'Since ever'}</strong>: {approvalText(t)}
            <ol className="lines numbered">{(t.rates ?? []).map((r, at) => <li key={at}>{rateText(r, currency)}</li>)}</ol>
            {!t.rates?.length && <p className="hint">No rates: nothing is paid.</p>}
          </li>
        ))}
        {!s.terms?.length && <li className="hint">No terms: nothing is paid.</li>}
      </ol>
      <dl className="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
    </section>
  )
}

function Addresses({ id }: { id: string }) {
  const found = useQuery({ queryKey: ['postback', id], queryFn: ({ signal }) => ask(api.GET('/api/v1/programs/{id}/postback', { params: { path: { id } }, signal })) })
  const rows: [string, string | undefined, string][] = [
    ['Postback', found.data?.postback, 'For servers. Who has it can report orders: hand it to the merchant or network only.'],
    ['Pixel', found.data?.pixel, 'For the page behind an order.'],
    ['Script', found.data?.script, 'For all of the merchant’s pages.'],
    ['Token of the script', found.data?.page_token, 'It stands in pages for everyone to read.'],
  ]
  return (
    <section aria-label="Addresses for reports">
      <div className="section-head"><h2>Where orders are reported</h2></div>
      {found.isError && <Trouble what="The addresses could not be loaded" error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Waiting label="Loading the addresses" />}
      {found.data && (
        <dl className="card copy-rows">
          {rows.map(([name, value, help]) => value && (
            <div key={name}><dt>{name}</dt><dd><code>{value}</code> <CopyButton quiet label="Copy" text={value} /></dd><dd className="hint">{help}</dd></div>
          ))}
          <div>
            <dt>Secret</dt>
            <dd>
              <details><summary>Show</summary><code>{found.data.secret}</code></details>
            </dd>
            <dd className="hint">{found.data.signed ? 'Reports by servers must be signed with it.' : 'Reports by servers may be signed with it; the token alone is enough.'}</dd>
          </div>
        </dl>
      )}
    </section>
  )
}
