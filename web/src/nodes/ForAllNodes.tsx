// What concerns all nodes, and is asked for once more before it is done.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask } from '../api/client'
import { count, plural } from '../format'
import { Confirm } from '../ui/Dialog'
import { useNotice } from '../ui/notices'
import { Advice, Trouble } from '../ui/Trouble'
import { linked, rolesText, type Node } from './words'

type Act = 'rotate' | 'republish'

const acts: Record<Act, { action: string; means: string; question: string; done: string }> = {
  rotate: {
    action: 'Rotate cookie keys', means: 'Visitors’ cookies are signed with a new key.',
    question: 'Sign visitors’ cookies with a new key?', done: 'The new key signs within a minute; those before it stay accepted',
  },
  republish: {
    action: 'Republish links', means: 'Only for a store that was restored from an old backup: nodes that know more obey it then.',
    question: 'Make this store’s links those of all nodes?', done: 'Every node takes the store’s links within seconds',
  },
}

interface AllProps {
  nodes: Node[]
  change: number // the store's newest
}

export function ForAllNodes({ nodes, change }: AllProps) {
  const [asked, setAsked] = useState<Act>()
  return (
    <section aria-label="For all nodes">
      <div className="section-head"><h2>For all nodes</h2></div>
      <ul className="cards">
        {(['rotate', 'republish'] as const).map((act) => (
          <li key={act} className="card for-all">
            <p>{acts[act].means}</p>
            <button type="button" className={act === 'republish' ? 'danger-text' : ''} onClick={() => setAsked(act)}>{acts[act].action}</button>
          </li>
        ))}
      </ul>
      {asked && <Ask act={asked} nodes={linked(nodes)} change={change} onClose={() => setAsked(undefined)} />}
    </section>
  )
}

function Ask({ act, nodes, change, onClose }: AllProps & { act: Act; onClose: () => void }) {
  const client = useQueryClient()
  const notice = useNotice()
  const run = useMutation({
    mutationFn: () => ask(act === 'rotate' ? api.POST('/api/v1/cluster/cookie-keys') : api.POST('/api/v1/cluster/republish')),
    onSuccess: () => {
      notice(acts[act].done)
      onClose()
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['status'] }),
  })
  const who = `${plural(nodes.length, 'node')} (${rolesText(nodes)})`
  return (
    <Confirm title={acts[act].question} action={acts[act].action} danger={act === 'republish'} busy={run.isPending} onConfirm={() => run.mutate()} onClose={onClose}>
      {act === 'rotate'
        ? <p>{who} do so a minute from now, when each of them knows the key. Cookies that older keys have signed stay good: no visitor looks new, and no attribution is lost.</p>
        : <Republish who={who} change={change} ahead={nodes.filter((n) => n.table_seq > change).length} />}
      {run.error && <Trouble error={run.error} />}
    </Confirm>
  )
}

function Republish({ who, change, ahead }: { who: string; change: number; ahead: number }) {
  return (
    <>
      <p>{who} take the links of this store {change > 0 && <>as of change {count(change)}, </>}within seconds; one that is away does when it is back. {change > 0 && (ahead > 0 ? `${plural(ahead, 'node knows', 'nodes know')} more now.` : 'None of them knows more now.')}</p>
      <p><strong>What was changed after the backup is gone then.</strong> Visitors are served meanwhile.</p>
      <Advice text="Before it, every control node must have begun anew from the store: stop it, remove its folder `table`, start it." />
    </>
  )
}
