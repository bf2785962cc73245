import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask } from '../api/client'
import type { components } from '../api/schema'
import { Confirm } from '../ui/Dialog'
import { CheckField, TextField } from '../ui/Field'
import { Trouble } from '../ui/Trouble'
import { events } from './queries'

export function AddDialog({ onAdded, onClose }: { onAdded: (made: components['schemas']['NewWebhook']) => void; onClose: () => void }) {
  const client = useQueryClient()
  const [id, setID] = useState('')
  const [url, setURL] = useState('')
  const [program, setProgram] = useState('')
  const [chosen, setChosen] = useState<typeof events>([])
  const add = useMutation({
    mutationFn: () => ask(api.POST('/api/v1/webhooks', { body: { id: id.trim(), url: url.trim(), ...(program.trim() && { program: program.trim() }), ...(chosen.length > 0 && { events: chosen }) } })),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ['webhooks'] })
      onAdded(made)
    },
  })
  return (
    <Confirm title="Add an endpoint" action="Add" busy={add.isPending || !id.trim() || !url.trim()} onConfirm={() => add.mutate()} onClose={onClose}>
      <TextField label="Name" value={id} maxLength={64} spellCheck={false} hint="Letters, digits, - _ and points. It cannot change." onChange={(e) => setID(e.target.value)} />
      <TextField label="Address" inputMode="url" value={url} maxLength={2048} spellCheck={false} placeholder="https://shop.example/hook" onChange={(e) => setURL(e.target.value)} />
      <TextField label="Program" value={program} maxLength={64} hint="Empty: all." onChange={(e) => setProgram(e.target.value)} />
      <fieldset className="choice">
        <legend>Events; none chosen: all</legend>
        {events.map((event) => (
          <CheckField key={event} label={event} checked={chosen.includes(event)}
            onChange={(e) => setChosen(e.target.checked ? [...chosen, event] : chosen.filter((c) => c !== event))} />
        ))}
      </fieldset>
      {add.error && <Trouble error={add.error} />}
    </Confirm>
  )
}
