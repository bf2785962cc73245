import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask, ifMatch } from '../api/client'
import { ProgramSelect } from '../money/ProgramSelect'
import { Confirm } from '../ui/Dialog'
import { TextField } from '../ui/Field'
import { useNotice } from '../ui/notices'
import { Trouble, Waiting } from '../ui/Trouble'
import { usePartnerPostback, usePartners, type PartnerPostback } from './queries'

export function PartnerPostbacks() {
  const [program, setProgram] = useState('')
  const [partner, setPartner] = useState('')
  const partners = usePartners(program)
  const found = usePartnerPostback(program, partner)
  return (
    <section aria-label="Postbacks to partners">
      <div className="section-head"><h2>Postbacks to partners</h2></div>
      <div className="filters sheet-filters">
        <ProgramSelect booked value={program} none="Choose a program" onChange={(id) => { setProgram(id); setPartner('') }} />
        {program && (
          <select aria-label="Partner" value={partner} onChange={(e) => setPartner(e.target.value)}>
            <option value="">Choose a partner</option>
            {partners.data?.map((p) => <option key={p.code} value={p.code}>{p.name || p.code}</option>)}
          </select>
        )}
      </div>
      {partners.isError && <Trouble what="The partners could not be loaded" error={partners.error} retry={() => void partners.refetch()} />}
      {found.isError && <Trouble what="The postback could not be loaded" error={found.error} retry={() => void found.refetch()} />}
      {partner && found.isPending && <Waiting label="Loading the postback" />}
      {partner && found.data !== undefined && <Postback key={`${program}/${partner}/${found.data?.version ?? 0}`} program={program} partner={partner} postback={found.data} />}
    </section>
  )
}

function Postback({ program, partner, postback }: { program: string; partner: string; postback: PartnerPostback | null }) {
  const client = useQueryClient()
  const notice = useNotice()
  const [url, setURL] = useState(postback?.url ?? '')
  const [removing, setRemoving] = useState(false)
  const params = { path: { program, partner }, header: postback ? { 'If-Match': ifMatch(postback.version) } : {} }
  const onSettled = () => client.invalidateQueries({ queryKey: ['partner-postback', program, partner] })
  const save = useMutation({
    mutationFn: (disabled: boolean) => ask(api.PUT('/api/v1/partner-postbacks/{program}/{partner}', { params, body: { url: url.trim(), disabled, ...(postback?.events && { events: postback.events }) } })),
    onSuccess: () => notice(`The postback to ${partner} is saved`),
    onSettled,
  })
  const remove = useMutation({
    mutationFn: () => ask(api.DELETE('/api/v1/partner-postbacks/{program}/{partner}', { params })),
    onSuccess: () => notice(`The postback to ${partner} is removed`),
    onSettled,
  })
  return (
    <form
      className="card stack"
      onSubmit={(e) => {
        e.preventDefault()
        save.mutate(postback?.disabled ?? false)
      }}
    >
      {postback?.disabled && <p><span className="badge paused">disabled</span> {postback.disabled_why}</p>}
      <TextField label={`Address of ${partner}`} inputMode="url" required maxLength={2048} spellCheck={false} value={url} onChange={(e) => setURL(e.target.value)}
        placeholder="https://tracker.example/postback?cid={click_id}&payout={commission}" hint="Called for each change of a conversion of this partner. Macros such as {click_id}, {commission} or {status} stand behind the host." />
      {save.error && <Trouble error={save.error} />}
      <div className="actions">
        <button type="submit" className="primary" disabled={save.isPending}>Save</button>
        {postback && <button type="button" disabled={save.isPending} onClick={() => save.mutate(!postback.disabled)}>{postback.disabled ? 'Enable' : 'Disable'}</button>}
        {postback && <button type="button" className="danger-text" onClick={() => setRemoving(true)}>Remove</button>}
      </div>
      {removing && (
        <Confirm title={`Remove the postback to ${partner}?`} action="Remove" danger busy={remove.isPending} onConfirm={() => remove.mutate()} onClose={() => setRemoving(false)}>
          <p>The partner is told of nothing any more.</p>
          {remove.error && <Trouble error={remove.error} />}
        </Confirm>
      )}
    </form>
  )
}
