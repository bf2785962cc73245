import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask } from '../api/client'
import { dateTime } from '../format'
import { Amount, StateBadge } from '../money/Money'
import { usePayouts } from '../money/queries'
import type { Payout } from '../money/words'
import { Confirm } from '../ui/Dialog'
import { AreaField } from '../ui/Field'
import { useNotice } from '../ui/notices'
import { Trouble, Waiting } from '../ui/Trouble'
import { stepsFor, type PayoutStep } from './steps'

export function PayoutList({ program }: { program: string }) {
  const payouts = usePayouts(program)
  const [asked, setAsked] = useState<{ step: PayoutStep; payout: Payout }>()
  return (
    <section aria-label="Payouts">
      <div className="section-head"><h2>Payouts so far</h2></div>
      {payouts.isError && <Trouble what="The payouts could not be loaded" error={payouts.error} retry={() => void payouts.refetch()} />}
      {payouts.isPending && <Waiting label="Loading payouts" />}
      {payouts.data?.length === 0 && <p className="hint">None yet. Run payouts when somebody is owed enough.</p>}
      {payouts.data && payouts.data.length > 0 && (
        <div className="sheet" role="region" aria-label="Payouts so far" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Partner</th><th scope="col" className="number">Amount</th><th scope="col">State</th><th scope="col">Drafted</th>
                <th scope="col">Method</th><th scope="col">Reference</th><th scope="col"><span className="sr-only">Actions</span></th>
              </tr>
            </thead>
            <tbody>
              {payouts.data.map((p) => (
                <tr key={p.id}>
                  <th scope="row">{p.partner || 'We'}</th>
                  <td className="number"><Amount of={p.amount} /></td>
                  <td><StateBadge state={p.state} /><span className="sub">{since(p)}</span></td>
                  <td>{dateTime(p.created)}<span className="sub">by {p.author}</span></td>
                  <td>{p.method ?? '–'}</td>
                  <td><code>{p.reference}</code></td>
                  <td>
                    <div className="actions">
                      {stepsFor(p.state).map((step) => (
                        <button key={step} type="button" className={step === 'undo' ? 'danger-text' : ''} aria-label={`${words[step].action}: ${p.amount.text} to ${p.partner || 'us'}`}
                          onClick={() => setAsked({ step, payout: p })}>{words[step].action}</button>
                      ))}
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {asked && <Ask {...asked} onClose={() => setAsked(undefined)} />}
    </section>
  )
}

function since(p: Payout): string {
  if (p.undone) return dateTime(p.undone)
  if (p.sent) return dateTime(p.sent)
  return p.approved ? `${dateTime(p.approved)}${p.approver ? ` by ${p.approver}` : ''}` : ''
}

const words: Record<PayoutStep, { action: string; title: string; means: string; done: string }> = {
  approve: { action: 'Approve', title: 'Approve this payout?', means: 'It is in the next payment file then.', done: 'approved' },
  sent: { action: 'Mark as sent', title: 'Was this payout sent?', means: 'Say so once the money is on its way: it counts as paid from then on. Sluice itself moves no money.', done: 'sent' },
  undo: { action: 'Undo', title: 'Take this payout back?', means: 'Its amount is owed again and will be in the next run. Where money has moved, get it back first.', done: 'undone' },
}

function Ask({ step, payout, onClose }: { step: PayoutStep; payout: Payout; onClose: () => void }) {
  const client = useQueryClient()
  const notice = useNotice()
  const [note, setNote] = useState('')
  const [fault, setFault] = useState('')
  const params = { path: { id: payout.id } }
  const act = useMutation({
    mutationFn: () => {
      if (step === 'approve') return ask(api.POST('/api/v1/payouts/{id}/approve', { params }))
      if (step === 'sent') return ask(api.POST('/api/v1/payouts/{id}/sent', { params }))
      return ask(api.POST('/api/v1/payouts/{id}/undo', { params, body: { note: note.trim() } }))
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['payouts', payout.program] })
      // A payout that was sent makes its conversions paid.
      void client.invalidateQueries({ queryKey: ['conversions'] })
      void client.invalidateQueries({ queryKey: ['conversion'] })
      notice(`The payout is ${words[step].done}`)
      onClose()
    },
  })
  const confirm = () => {
    if (step === 'undo' && !note.trim()) setFault('Say why: it stays in the books.')
    else act.mutate()
  }
  return (
    <Confirm title={words[step].title} action={words[step].action} danger={step === 'undo'} busy={act.isPending} onConfirm={confirm} onClose={onClose}>
      <p><strong>{payout.amount.text}</strong> to <strong>{payout.partner || 'us'}</strong></p>
      <p>{words[step].means}</p>
      {step === 'undo' && <AreaField label="Why" value={note} maxLength={500} faults={fault ? [fault] : []} onChange={(e) => setNote(e.target.value)} />}
      {act.error && <Trouble error={act.error} />}
    </Confirm>
  )
}
