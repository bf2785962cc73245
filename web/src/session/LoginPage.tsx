import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { Navigate, useLocation, useNavigate, useSearchParams } from 'react-router'
import { api, ask, type Me } from '../api/client'
import { RequestFailed } from '../api/problem'
import { Logo } from '../frame/Logo'
import { useTitle } from '../ui/hooks'
import { Trouble } from '../ui/Trouble'
import { LoginForm } from './LoginForm'
import { safeNext, useMe, welcome } from './session'

export function LoginPage() {
  useTitle('Log in')
  const location = useLocation()
  const navigate = useNavigate()
  const [params] = useSearchParams()
  const next = safeNext(params.get('next'))
  const [code] = useState(() => params.get('code')?.trim() ?? '')
  const enter = (who: Me) => {
    const target = who.has_password ? next : `/password?${new URLSearchParams({ first: '1', next })}`
    void navigate(target, { replace: true })
  }
  const { state, error, retry } = useCode(code, enter)
  const me = useMe({ enabled: state !== 'checking' })

  // A code that stays in the address bar ends up in histories and screenshots.
  useEffect(() => {
    if (params.has('code')) {
      const rest = new URLSearchParams(params)
      rest.delete('code')
      void navigate({ pathname: location.pathname, search: rest.toString() }, { replace: true })
    }
  }, [params, navigate, location.pathname])

  if (me.data && state === 'idle') return <Navigate to={next} replace />
  return (
    <main className="gate">
      <div className="gate-card">
        <Logo />
        <h1>Log in</h1>
        {state === 'checking' && <p role="status">Logging you in …</p>}
        {state === 'failed' && (isUsed(error) ? <CodeUsed /> : <Trouble error={error} retry={retry} />)}
        {state !== 'checking' && (
          <>
            <LoginForm onDone={enter} />
            <details className="fold plain">
              <summary>No password yet, or forgotten?</summary>
              <p>On the server, run <code>sluice login</code> and open the address that it prints. It logs you in once, and lets you set a password.</p>
            </details>
          </>
        )}
      </div>
    </main>
  )
}

function CodeUsed() {
  return (
    <div className="trouble" role="alert">
      <div>
        <p><strong>This login address does not work any more.</strong></p>
        <p className="hint">Each works once and for a short time. Run <code>sluice login</code> on the server to get a new one, or log in with your password.</p>
      </div>
    </div>
  )
}

function isUsed(error: unknown): boolean {
  return error instanceof RequestFailed && (error.status === 401 || error.status === 422)
}

/** running holds the one exchange of each code: a second attempt would find it used. */
const running = new Map<string, Promise<Me>>()

function useCode(code: string, onDone: (me: Me) => void) {
  const client = useQueryClient()
  const [state, setState] = useState<'idle' | 'checking' | 'failed'>(code ? 'checking' : 'idle')
  const [error, setError] = useState<unknown>()
  const [attempt, setAttempt] = useState(0)
  useEffect(() => {
    if (!code) return
    let gone = false
    const exchange = running.get(code) ?? ask(api.POST('/api/v1/login', { body: { code } }))
    running.set(code, exchange)
    exchange.then(
      async (me) => {
        if (gone) return
        await welcome(client, me)
        onDone(me)
      },
      (failure: unknown) => {
        if (gone) return
        if (!isUsed(failure)) running.delete(code)
        setError(failure)
        setState('failed')
      },
    )
    return () => {
      gone = true
    }
    // onDone is new at every rendering; the exchange is not.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [code, attempt, client])
  const retry = () => {
    setState('checking')
    setAttempt((n) => n + 1)
  }
  return { state, error, retry }
}
