import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { api, ask } from '../api/client'
import { Faults } from '../api/faults'
import { RequestFailed } from '../api/problem'
import { TextField } from '../ui/Field'
import { useTitle } from '../ui/hooks'
import { useNotice } from '../ui/notices'
import { Trouble } from '../ui/Trouble'
import { safeNext, useMe, welcome } from './session'

export function PasswordPage() {
  const me = useMe().data
  const [params] = useSearchParams()
  const first = params.get('first') === '1' && !me?.has_password
  const next = safeNext(params.get('next'))
  const title = first ? 'Set a password' : 'Change password'
  useTitle(title)
  const navigate = useNavigate()
  const notice = useNotice()
  const client = useQueryClient()
  const [current, setCurrent] = useState('')
  const [password, setPassword] = useState('')
  const save = useMutation({
    mutationFn: () => ask(api.PUT('/api/v1/me/password', { body: me?.has_password ? { current, new: password } : { new: password } })),
    onSuccess: async (who) => {
      await welcome(client, who)
      notice('The password is set')
      void navigate(next, { replace: true })
    },
  })
  const faults = new Faults(save.error instanceof RequestFailed ? save.error.faults : [])
  const named = faults.any('current', 'new', 'password')
  return (
    <div className="narrow">
      <h1>{title}</h1>
      {first && <p>You are logged in as <strong>{me?.user}</strong>. With a password you can come back without a new address from the server.</p>}
      <form
        className="card stack"
        onSubmit={(e) => {
          e.preventDefault()
          save.mutate()
        }}
      >
        <input type="text" name="username" autoComplete="username" value={me?.user ?? ''} readOnly hidden />
        {me?.has_password && (
          <TextField label="Password until now" type="password" autoComplete="current-password" required
            value={current} onChange={(e) => setCurrent(e.target.value)} faults={faults.within('current')} />
        )}
        <TextField label="New password" type="password" autoComplete="new-password" required autoFocus
          value={password} onChange={(e) => setPassword(e.target.value)} faults={[...faults.within('new'), ...faults.within('password')]}
          hint="A few words together are easy to remember and hard to guess." />
        {save.error && !named && <Trouble error={save.error} />}
        <div className="actions">
          <button type="submit" className="primary" disabled={save.isPending}>{first ? 'Set password' : 'Change password'}</button>
          <button type="button" onClick={() => void navigate(next, { replace: true })}>{first ? 'Not now' : 'Cancel'}</button>
        </div>
      </form>
    </div>
  )
}
