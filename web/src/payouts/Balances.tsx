import { useState } from 'react'
import { Link as Anchor } from 'react-router'
import { Amount } from '../money/Money'
import { useBalances } from '../money/queries'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { AdjustmentDialog } from './AdjustmentDialog'
import { StatementDialog } from './StatementDialog'

export function Balances({ program, currency }: { program: string; currency: string }) {
  const balances = useBalances(program)
  const [asked, setAsked] = useState<{ what: 'statement' | 'adjustment'; partner: string }>()
  const close = () => setAsked(undefined)
  return (
    <section aria-label="Balances">
      <div className="section-head">
        <h2>Balances</h2>
        <button type="button" onClick={() => setAsked({ what: 'adjustment', partner: '' })}>Bonus or correction</button>
      </div>
      {balances.isError && <Trouble what="The balances could not be loaded" error={balances.error} retry={() => void balances.refetch()} />}
      {balances.isPending && <Waiting label="Loading balances" />}
      {balances.data?.length === 0 && <Empty title="Nobody has earned anything yet"><p>Balances begin with the first <Anchor to={`/conversions?program=${encodeURIComponent(program)}`}>conversion</Anchor>.</p></Empty>}
      {balances.data && balances.data.length > 0 && (
        <div className="sheet" role="region" aria-label="Balances by partner" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Partner</th><th scope="col" className="number" title="Waits for approval">Pending</th><th scope="col" className="number" title="Approved and payable">Owed</th>
                <th scope="col" className="number" title="In drafted and approved payouts">In payout</th><th scope="col" className="number">Paid out</th><th scope="col"><span className="sr-only">Actions</span></th>
              </tr>
            </thead>
            <tbody>
              {balances.data.map((b) => (
                <tr key={b.partner ?? ''}>
                  <th scope="row">{b.partner || 'We'}</th>
                  <td className="number"><Amount of={b.pending} /></td><td className="number"><Amount of={b.owed} /></td>
                  <td className="number"><Amount of={b.in_payout} /></td><td className="number"><Amount of={b.paid_out} /></td>
                  <td>
                    <div className="actions">
                      <button type="button" className="quiet" aria-label={`Statement of ${b.partner || 'ours'}`} onClick={() => setAsked({ what: 'statement', partner: b.partner ?? '' })}>Statement</button>
                      <button type="button" className="quiet" aria-label={`Adjust the balance of ${b.partner || 'ours'}`} onClick={() => setAsked({ what: 'adjustment', partner: b.partner ?? '' })}>Adjust</button>
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {asked?.what === 'statement' && <StatementDialog program={program} partner={asked.partner} onClose={close} />}
      {asked?.what === 'adjustment' && <AdjustmentDialog program={program} partner={asked.partner} currency={currency} onClose={close} />}
    </section>
  )
}
