import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask, ifMatch } from '../api/client'
import { dateTime } from '../format'
import { Confirm, Dialog } from '../ui/Dialog'
import { CopyButton } from '../ui/CopyButton'
import { Icon } from '../ui/Icon'
import { useNotice } from '../ui/notices'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { AddDialog } from './AddDialog'
import { useWebhooks, type Webhook } from './queries'

type Act = 'disable' | 'enable' | 'rotate' | 'remove'

const words: Record<Act, { action: string; means: string }> = {
  disable: { action: 'Disable', means: 'Nothing is sent to it. What happens meanwhile is not kept for it.' },
  enable: { action: 'Enable', means: 'Events are sent to it from now on.' },
  rotate: { action: 'New secret', means: 'The old secret signs beside the new one for 24 hours, so that the receiver can change over.' },
  remove: { action: 'Remove', means: 'The endpoint and its secret are gone for good.' },
}

export function Endpoints() {
  const list = useWebhooks()
  const [adding, setAdding] = useState(false)
  const [asked, setAsked] = useState<{ act: Act; hook: Webhook }>()
  const [secret, setSecret] = useState<{ id: string; text: string }>()
  return (
    <section aria-label="Endpoints">
      <div className="section-head">
        <h2>Endpoints</h2>
        <button type="button" onClick={() => setAdding(true)}><Icon name="add" /> Add endpoint</button>
      </div>
      {list.isError && <Trouble what="The endpoints could not be loaded" error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Waiting label="Loading endpoints" />}
      {list.data?.length === 0 && <Empty title="No endpoint yet"><p>Add the address of a server of yours; it is told of conversions and payouts as they happen.</p></Empty>}
      <ul className="cards">
        {list.data?.map((h) => (
          <li key={h.id} className="card">
            <p><strong>{h.id}</strong> <span className={`badge ${h.disabled ? 'paused' : 'active'}`}>{h.disabled ? 'disabled' : 'enabled'}</span> {h.disabled_why}</p>
            <p><code>{h.url}</code></p>
            <p className="hint">{h.program ? `Program ${h.program}` : 'All programs'} · {h.events?.length ? h.events.join(', ') : 'all events'}{h.old_secret_until && ` · the old secret signs until ${dateTime(h.old_secret_until)}`}</p>
            <div className="actions">
              {([h.disabled ? 'enable' : 'disable', 'rotate', 'remove'] as const).map((act) => (
                <button key={act} type="button" className={act === 'remove' ? 'danger-text' : ''} aria-label={`${words[act].action}: ${h.id}`} onClick={() => setAsked({ act, hook: h })}>{words[act].action}</button>
              ))}
            </div>
          </li>
        ))}
      </ul>
      {adding && (
        <AddDialog
          onClose={() => setAdding(false)}
          onAdded={(made) => {
            setAdding(false)
            setSecret({ id: made.id, text: made.secret })
          }}
        />
      )}
      {asked && <Ask {...asked} onClose={() => setAsked(undefined)} onSecret={setSecret} />}
      {secret && (
        <Dialog title={`Secret of ${secret.id}`}>
          <p>Messages are signed with it. It is shown only now: keep it where the receiver reads it.</p>
          <p><code>{secret.text}</code></p>
          <footer className="actions"><CopyButton text={secret.text} /><button type="button" className="primary" onClick={() => setSecret(undefined)}>I have kept it</button></footer>
        </Dialog>
      )}
    </section>
  )
}

function Ask({ act, hook, onClose, onSecret }: { act: Act; hook: Webhook; onClose: () => void; onSecret: (secret: { id: string; text: string }) => void }) {
  const client = useQueryClient()
  const notice = useNotice()
  const path = { id: hook.id }
  const header = { 'If-Match': ifMatch(hook.version) }
  const run = useMutation({
    mutationFn: async () => {
      if (act === 'remove') await ask(api.DELETE('/api/v1/webhooks/{id}', { params: { path, header } }))
      else if (act === 'rotate') onSecret({ id: hook.id, text: (await ask(api.POST('/api/v1/webhooks/{id}/rotate', { params: { path }, body: {} }))).secret })
      else {
        const { url, events, program } = hook
        await ask(api.PUT('/api/v1/webhooks/{id}', { params: { path, header }, body: { url, ...(events && { events }), ...(program && { program }), disabled: act === 'disable' } }))
      }
    },
    onSuccess: () => {
      notice(`${hook.id}: ${act === 'rotate' ? 'there is a new secret' : act === 'remove' ? 'removed' : `${act}d`}`)
      onClose()
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['webhooks'] }),
  })
  return (
    <Confirm title={`${words[act].action}: ${hook.id}?`} action={words[act].action} danger={act === 'remove'} busy={run.isPending} onConfirm={() => run.mutate()} onClose={onClose}>
      <p>{words[act].means}</p>
      {run.error && <Trouble error={run.error} />}
    </Confirm>
  )
}
