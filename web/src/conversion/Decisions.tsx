import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask } from '../api/client'
import { amountFault, decisionsFor, reasons, spoken, type Conversion, type Do } from '../money/words'
import { Confirm } from '../ui/Dialog'
import { AreaField, SelectField, TextField } from '../ui/Field'
import { useNotice } from '../ui/notices'
import { Trouble } from '../ui/Trouble'

const words: Record<Do, { action: string; title: string; means: string }> = {
  approve: { action: 'Approve', title: 'Approve this conversion?', means: 'Its commission is owed at once, whatever hold is left.' },
  hold: { action: 'Hold', title: 'Hold this conversion?', means: 'Nothing moves it on until somebody releases, approves or reverses it.' },
  release: { action: 'Release', title: 'Release this conversion?', means: 'The clock moves it on again, as the terms say.' },
  reverse: { action: 'Reverse …', title: 'Reverse this conversion?', means: 'The commission is taken back; what was paid out already comes off the next payout.' },
}

export function Decisions({ conversion }: { conversion: Conversion }) {
  const [asked, setAsked] = useState<Do>()
  return (
    <div className="actions">
      {decisionsFor(conversion).map((d) => <button key={d} type="button" className={d === 'reverse' ? 'danger-text' : ''} onClick={() => setAsked(d)}>{words[d].action}</button>)}
      {asked && <Decide conversion={conversion} what={asked} onClose={() => setAsked(undefined)} />}
    </div>
  )
}

function Decide({ conversion, what, onClose }: { conversion: Conversion; what: Do; onClose: () => void }) {
  const client = useQueryClient()
  const notice = useNotice()
  const [amount, setAmount] = useState('')
  const [reason, setReason] = useState<string>(reasons[0])
  const [note, setNote] = useState('')
  const [fault, setFault] = useState('')
  const decide = useMutation({
    mutationFn: () => ask(api.POST('/api/v1/conversions/{id}/decisions', {
      params: { path: { id: conversion.id } },
      body: { do: what, ...(note.trim() && { note: note.trim() }), ...(what === 'reverse' && { reason, ...(amount.trim() && { amount: amount.trim() }) }) },
    })),
    onSuccess: async (changed) => {
      await client.invalidateQueries({ queryKey: ['conversion', conversion.id] })
      void client.invalidateQueries({ queryKey: ['conversions'] })
      void client.invalidateQueries({ queryKey: ['payouts'] })
      notice(`${conversion.tx} is ${changed.flagged ? 'held' : changed.state}`)
      onClose()
    },
  })
  const confirm = () => {
    const found = what === 'reverse' ? amountFault(amount, { optional: true }) : ''
    setFault(found)
    if (!found) decide.mutate()
  }
  return (
    <Confirm title={words[what].title} action={words[what].action.replace(' …', '')} danger={what === 'reverse'} busy={decide.isPending} onConfirm={confirm} onClose={onClose}>
      <p>{words[what].means}</p>
      {what === 'reverse' && (
        <>
          <TextField label="How much of the order" inputMode="decimal" value={amount} maxLength={20} faults={fault ? [fault] : []}
            hint={`In ${conversion.order.currency}. Empty: all of it, ${conversion.order.text}.`} onChange={(e) => setAmount(e.target.value)} />
          <SelectField label="Reason" value={reason} onChange={(e) => setReason(e.target.value)}>
            {reasons.map((r) => <option key={r} value={r}>{spoken(r)}</option>)}
          </SelectField>
        </>
      )}
      <AreaField label="Note" hint="For the people who look at it later." maxLength={500} value={note} onChange={(e) => setNote(e.target.value)} />
      {decide.error && <Trouble error={decide.error} />}
    </Confirm>
  )
}
