import { useMutation } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useBlocker, useNavigate } from 'react-router'
import { api, ask, ifMatch, type Change, type Link, type LinkInput } from '../api/client'
import { Faults } from '../api/faults'
import { RequestFailed } from '../api/problem'
import { Confirm } from '../ui/Dialog'
import { Trouble } from '../ui/Trouble'
import { ConflictDialog } from './ConflictDialog'
import { draftOf, inputOf, type Draft } from './draft'
import { FaultSummary } from './FaultSummary'
import { BasicFields, MoreFields } from './fields'
import { isState, merge } from './merge'
import { RulesFold } from './RulesFold'

interface EditorProps {
  link?: Link // absent: a new one
  initial: Draft
  onSaved: (link: Link) => void
}

/** Edit is how the parts of the form change the draft; path is what the server calls the field. */
export type Edit = (change: Partial<Draft>, path: string) => void

interface Conflict {
  current: Link
  mine: LinkInput
  last?: Change
}

export function Editor({ link, initial, onSaved }: EditorProps) {
  const [base, setBase] = useState(link)
  const [draft, setDraft] = useState(initial)
  const [faults, setFaults] = useState(new Faults())
  const [conflict, setConflict] = useState<Conflict>()
  const [start] = useState(() => JSON.stringify(inputOf(initial, link)))
  const navigate = useNavigate()
  const left = useRef(false)
  const once = useOnceKey()
  const [answer, setAnswer] = useState(0) // counts the answers that refused the form

  const edit: Edit = (change, path) => {
    setDraft((old) => ({ ...old, ...change }))
    setFaults((old) => old.without(path))
  }
  const save = useMutation({
    mutationFn: ({ body, on }: { body: LinkInput; on?: Link }) => (on ? put(on, body) : post(body, once(body))),
    onSuccess: (saved) => {
      left.current = true
      onSaved(saved)
    },
    onError: async (error, { body, on }) => {
      if (!(error instanceof RequestFailed)) return
      if (isStale(error) && on) return setConflict(await conflictOf(on, body))
      setFaults(new Faults(faultsOf(error)))
      setAnswer((n) => n + 1)
    },
  })
  const dirty = JSON.stringify(inputOf(draft, base)) !== start
  const leaving = useLeaveGuard(dirty, left)

  return (
    <form
      className="stack editor" noValidate
      onSubmit={(e) => {
        e.preventDefault()
        if (!save.isPending) save.mutate({ body: inputOf(draft, base), on: base })
      }}
    >
      <FaultSummary faults={faults} answer={answer} />
      {save.error && faults.all.length === 0 && !conflict && !isStale(save.error) && <Trouble what="Not saved" error={save.error} />}
      <BasicFields draft={draft} faults={faults} edit={edit} link={base} />
      <RulesFold draft={draft} faults={faults} edit={edit} />
      <MoreFields draft={draft} faults={faults} edit={edit} link={base} />
      <div className="actions sticky">
        <button type="submit" className="primary" disabled={save.isPending}>{save.isPending ? 'Saving …' : base ? 'Save' : 'Add link'}</button>
        <button type="button" onClick={() => void navigate(base ? `/links/${base.id}` : '/links')}>Cancel</button>
        {dirty && base && <span className="hint">Not saved yet</span>}
      </div>
      {leaving.state === 'blocked' && (
        <Confirm title="Leave without saving?" action="Leave" danger onConfirm={() => leaving.proceed()} onClose={() => leaving.reset()}>
          <p>What you have changed here is lost then.</p>
        </Confirm>
      )}
      {conflict && base && (
        <ConflictDialog
          base={base} {...conflict} busy={save.isPending}
          onSave={(body) => {
            setConflict(undefined)
            setBase(conflict.current)
            setDraft(draftOf({ ...conflict.current, ...cleared(conflict.current, body) }))
            save.mutate({ body, on: conflict.current })
          }}
          onDiscard={() => {
            setConflict(undefined)
            setBase(conflict.current)
            setDraft(draftOf(conflict.current))
            setFaults(new Faults())
          }}
          onClose={() => setConflict(undefined)}
        />
      )}
    </form>
  )
}

/** put saves over the link as it was read, and over what its cap alone has done to it since: nobody has a say in that. */
async function put(on: Link, body: LinkInput): Promise<Link> {
  try {
    return await putOver(on, body)
  } catch (error) {
    if (!isStale(error)) throw error
    const { current } = await conflictOf(on, body)
    if (!isState(merge(on, body, current))) throw error
    return putOver(current, body)
  }
}

function putOver(on: Link, body: LinkInput): Promise<Link> {
  return ask(api.PUT('/api/v1/links/{id}', { params: { path: { id: on.id }, header: { 'If-Match': ifMatch(on.version) } }, body }))
}

function post(body: LinkInput, key: string): Promise<Link> {
  return ask(api.POST('/api/v1/links', { params: { header: { 'Idempotency-Key': key } }, body }))
}

/** cleared makes the document's missing fields missing, not the link's. */
function cleared(link: Link, body: LinkInput): Link {
  const out: Record<string, unknown> = { id: link.id, version: link.version, created_at: link.created_at, updated_at: link.updated_at }
  for (const name of Object.keys(link)) if (!(name in out)) out[name] = undefined
  return { ...out, ...body } as Link
}

function isStale(error: unknown): boolean {
  return error instanceof RequestFailed && error.status === 412
}

/** faultsOf finds the field that a refusal without faults is about. */
function faultsOf(error: RequestFailed) {
  if (error.faults.length > 0) return error.faults
  return error.status === 409 ? [{ field: 'slug', message: error.message }] : []
}

async function conflictOf(on: Link, mine: LinkInput): Promise<Conflict> {
  const path = { id: on.id }
  const current = await ask(api.GET('/api/v1/links/{id}', { params: { path } }))
  const changes = await ask(api.GET('/api/v1/links/{id}/changes', { params: { path, query: { limit: 1 } } })).catch(() => undefined)
  return { current, mine, last: changes?.items[0] }
}

/** useOnceKey gives each document a key of its own, so that sending it again adds no second link. */
function useOnceKey() {
  const last = useRef<{ text: string; key: string }>(null)
  return (body: LinkInput) => {
    const text = JSON.stringify(body)
    if (last.current?.text !== text) {
      const bytes = crypto.getRandomValues(new Uint8Array(16))
      last.current = { text, key: Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('') }
    }
    return last.current.key
  }
}

function useLeaveGuard(dirty: boolean, left: { current: boolean }) {
  useEffect(() => {
    if (!dirty) return
    const ask = (e: BeforeUnloadEvent) => e.preventDefault()
    window.addEventListener('beforeunload', ask)
    return () => window.removeEventListener('beforeunload', ask)
  }, [dirty])
  return useBlocker(({ currentLocation, nextLocation }) => dirty && !left.current && currentLocation.pathname !== nextLocation.pathname)
}
