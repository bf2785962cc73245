import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask, type Me } from '../api/client'
import { RequestFailed } from '../api/problem'
import { TextField } from '../ui/Field'
import { Trouble } from '../ui/Trouble'
import { welcome } from './session'

export function LoginForm({ user: initial = '', onDone }: { user?: string; onDone: (me: Me) => void }) {
  const client = useQueryClient()
  const [user, setUser] = useState(initial)
  const [password, setPassword] = useState('')
  const login = useMutation({
    mutationFn: () => ask(api.POST('/api/v1/login', { body: { user: user.trim(), password } })),
    meta: { ownErrors: true },
    onSuccess: async (me) => {
      await welcome(client, me)
      onDone(me)
    },
  })
  const wrong = login.error instanceof RequestFailed && login.error.status === 401
  return (
    <form
      className="stack"
      onSubmit={(e) => {
        e.preventDefault()
        login.mutate()
      }}
    >
      <TextField label="User" name="username" autoComplete="username" autoCapitalize="none" required autoFocus={!initial}
        value={user} onChange={(e) => setUser(e.target.value)} />
      <TextField label="Password" type="password" name="password" autoComplete="current-password" required autoFocus={!!initial}
        value={password} onChange={(e) => setPassword(e.target.value)}
        faults={wrong ? ['User and password do not match.'] : []} />
      {login.error && !wrong && <Trouble error={login.error} />}
      <button type="submit" className="primary" disabled={login.isPending}>{login.isPending ? 'Logging in …' : 'Log in'}</button>
    </form>
  )
}
