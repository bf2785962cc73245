// What is shown in the place of something that could not be had.
import type { ReactNode } from 'react'
import { adviceFor, messageOf } from '../api/problem'
import { Icon } from './Icon'

export function Trouble({ error, retry, what }: { error: unknown; retry?: () => void; what?: string }) {
  return (
    <div className="trouble" role="alert">
      <Icon name="warning" />
      <div>
        <p><strong>{what ? `${what}: ` : ''}{messageOf(error)}</strong></p>
        <Advice text={adviceFor(error)} />
      </div>
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  )
}

/** Advice sets `commands` in type. */
export function Advice({ text }: { text: string }) {
  if (!text) return null
  return <p className="hint">{text.split('`').map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</p>
}

/** Empty stands where there is nothing yet; alone on a page it carries the page's heading. */
export function Empty({ title, alone, children }: { title: string; alone?: boolean; children?: ReactNode }) {
  const Heading = alone ? 'h1' : 'h2'
  return (
    <div className="empty">
      <Heading>{title}</Heading>
      {children}
    </div>
  )
}

export function Waiting({ lines = 3, label = 'Loading' }: { lines?: number; label?: string }) {
  return (
    <div className="waiting" role="status">
      <span className="sr-only">{label}</span>
      {Array.from({ length: lines }, (_, i) => <span key={i} className="bone" aria-hidden="true" />)}
    </div>
  )
}
