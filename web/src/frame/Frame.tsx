// What is around every page once somebody is logged in.
import { useMutation } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { Link, Navigate, NavLink, Outlet, ScrollRestoration, useLocation, useNavigate } from 'react-router'
import { api, ask, type Me } from '../api/client'
import { useStatus } from '../home/status'
import { LoginForm } from '../session/LoginForm'
import { useMe } from '../session/session'
import { Dialog } from '../ui/Dialog'
import { Icon } from '../ui/Icon'
import { Trouble, Waiting } from '../ui/Trouble'
import { Logo } from './Logo'
import { applyTheme, storedTheme, type Theme } from './theme'

export function Frame() {
  const me = useMe()
  const location = useLocation()
  // Who was here before is kept while a session that ended is renewed: the page
  // below stays as it is, with all that was typed.
  const [known, setKnown] = useState<Me>()
  if (me.data && me.data !== known) setKnown(me.data)
  if (me.isPending) return <main className="page"><Waiting label="Starting" /></main>
  if (me.isError && !known) return <main className="page"><Trouble error={me.error} retry={() => void me.refetch()} /></main>
  if (!me.data && !known) {
    const next = location.pathname + location.search
    return <Navigate to={next === '/' ? '/login' : `/login?${new URLSearchParams({ next })}`} replace />
  }
  return (
    <>
      <a className="skip" href="#content">Skip to the content</a>
      <Top me={me.data ?? known!} />
      <main className="page" id="content" tabIndex={-1}>
        <Outlet />
      </main>
      {!me.data && !me.isError && <SessionEnded user={known?.user} />}
      <ScrollRestoration />
    </>
  )
}

function Top({ me }: { me: Me }) {
  return (
    <header className="top">
      <div className="top-inner">
        <Link to="/" className="home" aria-label="Sluice, overview"><Logo /></Link>
        <nav aria-label="Main">
          <NavLink to="/" end><Icon name="chart" /> <span>Overview</span></NavLink>
          <NavLink to="/links"><Icon name="link" /> <span>Links</span></NavLink>
          <NavLink to="/conversions"><Icon name="check" /> <span>Conversions</span></NavLink>
          <NavLink to="/payouts"><Icon name="money" /> <span>Payouts</span></NavLink>
          <MoreMenu />
        </nav>
        <Link to="/links/new" className="button primary" aria-label="Add link"><Icon name="add" /> <span>Add link</span></Link>
        <AccountMenu me={me} />
      </div>
    </header>
  )
}

/** useMenu closes a menu on Escape, on a click elsewhere, and when the page changes. */
function useMenu() {
  const ref = useRef<HTMLDetailsElement>(null)
  const location = useLocation()
  useEffect(() => {
    if (ref.current) ref.current.open = false
  }, [location])
  useEffect(() => {
    const close = (e: Event) => {
      const menu = ref.current
      if (!menu?.open) return
      if (e instanceof KeyboardEvent && e.key === 'Escape') {
        menu.open = false
        menu.querySelector('summary')?.focus()
      } else if (e instanceof PointerEvent && !menu.contains(e.target as Node)) menu.open = false
    }
    document.addEventListener('keydown', close)
    document.addEventListener('pointerdown', close)
    return () => {
      document.removeEventListener('keydown', close)
      document.removeEventListener('pointerdown', close)
    }
  }, [])
  return ref
}

function MoreMenu() {
  const ref = useMenu()
  // A single process has no nodes to look at.
  const nodes = useStatus({ watch: false }).data?.nodes ?? []
  return (
    <details className="menu" ref={ref}>
      <summary><Icon name="more" /> <span>More</span></summary>
      <div className="menu-body pages">
        <NavLink to="/earnings">Reports</NavLink>
        <NavLink to="/programs">Programs</NavLink>
        <NavLink to="/rejected">Rejected reports</NavLink>
        <NavLink to="/webhooks">Webhooks</NavLink>
        {nodes.length > 0 && <NavLink to="/nodes">Nodes</NavLink>}
      </div>
    </details>
  )
}

function AccountMenu({ me }: { me: Me }) {
  const ref = useMenu()
  const navigate = useNavigate()
  const [theme, setTheme] = useState<Theme>(storedTheme)
  const logout = useMutation({
    mutationFn: () => ask(api.POST('/api/v1/logout')),
    // Loading the page anew forgets all that was shown to this user.
    onSuccess: () => window.location.assign('/login'),
  })
  return (
    <details className="menu" ref={ref}>
      <summary aria-label={`Account of ${me.user}`}><Icon name="user" /><Icon name="down" /></summary>
      <div className="menu-body">
        <p className="hint">Logged in as <strong>{me.user}</strong></p>
        <label className="menu-row">
          <span><Icon name="theme" /> Colours</span>
          <select
            value={theme}
            onChange={(e) => {
              const chosen = e.target.value as Theme
              setTheme(chosen)
              applyTheme(chosen)
            }}
          >
            <option value="system">as the system</option>
            <option value="light">light</option>
            <option value="dark">dark</option>
          </select>
        </label>
        <button type="button" className="quiet" onClick={() => void navigate('/password')}>{me.has_password ? 'Change password' : 'Set a password'}</button>
        <button type="button" className="quiet" disabled={logout.isPending} onClick={() => logout.mutate()}>Log out</button>
        {logout.error && <Trouble error={logout.error} />}
      </div>
    </details>
  )
}

function SessionEnded({ user }: { user?: string }) {
  return (
    <Dialog title="Your session has ended">
      <p>Log in to go on. What you have typed is still there.</p>
      <LoginForm user={user} onDone={() => {}} />
      <p className="hint">Without a password: run <code>sluice login</code> on the server, open its address in another tab, and come back here.</p>
    </Dialog>
  )
}
