import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask } from '../api/client'
import { plural } from '../format'
import { Amount } from '../money/Money'
import { usePreview } from '../money/queries'
import { spoken } from '../money/words'
import { Confirm } from '../ui/Dialog'
import { useNotice } from '../ui/notices'
import { Trouble, Waiting } from '../ui/Trouble'

export function Preview({ program }: { program: string }) {
  const client = useQueryClient()
  const notice = useNotice()
  const preview = usePreview(program)
  const [asked, setAsked] = useState(false)
  const run = useMutation({
    mutationFn: () => ask(api.POST('/api/v1/payouts', { body: { program } })),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ['payouts', program] })
      notice(`${plural(made.items.length, 'payout')} drafted`)
      setAsked(false)
    },
  })
  const lines = preview.data ?? []
  const paid = lines.filter((l) => !l.waits)
  return (
    <section aria-label="Next payout run">
      <div className="section-head">
        <h2>Next payout run</h2>
        {paid.length > 0 && <button type="button" className="primary" onClick={() => setAsked(true)}>Run payouts</button>}
      </div>
      {preview.isError && <Trouble what="The preview could not be loaded" error={preview.error} retry={() => void preview.refetch()} />}
      {preview.isPending && <Waiting label="Loading the preview" />}
      {preview.data && lines.length === 0 && <p className="hint">Nothing is owed, so nobody would be paid now. What is pending is owed once it is approved.</p>}
      {lines.length > 0 && (
        <div className="sheet" role="region" aria-label="Who would be paid" tabIndex={0}>
          <table>
            <thead><tr><th scope="col">Partner</th><th scope="col" className="number">Owed</th><th scope="col">Would be paid</th></tr></thead>
            <tbody>
              {lines.map((l) => (
                <tr key={l.partner ?? ''}>
                  <th scope="row">{l.partner || 'We'}</th>
                  <td className="number"><Amount of={l.amount} /></td>
                  <td>{l.waits ? <><span className="badge paused">waits</span> {l.why ?? spoken(l.waits)}</> : <span className="badge active">yes</span>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {asked && (
        <Confirm title="Run payouts?" action="Draft them" busy={run.isPending} onConfirm={() => run.mutate()} onClose={() => setAsked(false)}>
          <p>One payout is drafted for each of these; no money moves before it is approved and sent.</p>
          <ul className="lines">{paid.map((l) => <li key={l.partner ?? ''}><strong>{l.partner || 'We'}</strong> <Amount of={l.amount} /></li>)}</ul>
          {run.error && <Trouble error={run.error} />}
        </Confirm>
      )}
    </section>
  )
}
