import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { api, ask } from '../api/client'
import { amountFault, reasons, spoken } from '../money/words'
import { Confirm } from '../ui/Dialog'
import { AreaField, SelectField, TextField } from '../ui/Field'
import { useNotice } from '../ui/notices'
import { Trouble } from '../ui/Trouble'

interface Props {
  program: string
  partner: string
  currency: string
  onClose: () => void
}

export function AdjustmentDialog({ program, partner: whose, currency, onClose }: Props) {
  const client = useQueryClient()
  const notice = useNotice()
  const [partner, setPartner] = useState(whose)
  const [kind, setKind] = useState<'bonus' | 'manual'>('bonus')
  const [amount, setAmount] = useState('')
  const [reason, setReason] = useState<string>(reasons[0])
  const [note, setNote] = useState('')
  const [faults, setFaults] = useState({ amount: '', note: '' })
  // The same adjustment sent again, after an answer that was lost, must not count twice; another one must.
  const sent = useRef({ text: '', key: '' })
  const adjust = useMutation({
    mutationFn: () => {
      const body = { program, kind, amount: amount.trim(), reason, note: note.trim(), ...(partner.trim() && { partner: partner.trim() }) }
      const text = JSON.stringify(body)
      if (sent.current.text !== text) sent.current = { text, key: newKey() }
      return ask(api.POST('/api/v1/adjustments', { params: { header: { 'Idempotency-Key': sent.current.key } }, body }))
    },
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ['payouts', program] })
      notice(`${made.amount.text} posted to ${made.partner || 'our'} balance`)
      onClose()
    },
  })
  const confirm = () => {
    const found = { amount: amountFault(amount, { sign: kind === 'manual' }), note: note.trim() ? '' : 'Say why: it stays in the books.' }
    setFaults(found)
    if (!found.amount && !found.note) adjust.mutate()
  }
  return (
    <Confirm title="Bonus or correction" action="Post it" busy={adjust.isPending} onConfirm={confirm} onClose={onClose}>
      <p>It is posted to the balance at once and stays in the books; a mistake is mended by another correction.</p>
      <TextField label="Partner" value={partner} maxLength={64} hint="Code of the partner. Empty: our own balance, in a program that earns." onChange={(e) => setPartner(e.target.value)} />
      <SelectField label="Kind" value={kind} onChange={(e) => setKind(e.target.value as typeof kind)}>
        <option value="bonus">bonus</option>
        <option value="manual">manual correction, either way</option>
      </SelectField>
      <TextField label={`Amount${currency && ` in ${currency}`}`} inputMode={kind === 'bonus' ? 'decimal' : 'text'} value={amount} maxLength={20} faults={faults.amount ? [faults.amount] : []}
        hint={kind === 'manual' ? 'With - in front it is taken.' : undefined} onChange={(e) => setAmount(e.target.value)} />
      <SelectField label="Reason" value={reason} onChange={(e) => setReason(e.target.value)}>{reasons.map((r) => <option key={r} value={r}>{spoken(r)}</option>)}</SelectField>
      <AreaField label="Note" value={note} maxLength={500} faults={faults.note ? [faults.note] : []} onChange={(e) => setNote(e.target.value)} />
      {adjust.error && <Trouble error={adjust.error} />}
    </Confirm>
  )
}

/** newKey also works where the page came over plain HTTP, unlike crypto.randomUUID. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('')
}
