import { useState, type ReactNode } from 'react'
import type { Faults } from '../api/faults'

interface FoldProps {
  title: string
  /** what is set within, in a few words, shown while it is folded */
  says?: string
  open?: boolean
  faults: Faults
  paths: string[]
  children: ReactNode
}

/** Fold hides what most links do not need, and opens when something within is at fault. */
export function Fold({ title, says, open: initial = false, faults, paths, children }: FoldProps) {
  const [open, setOpen] = useState(initial)
  const [seen, setSeen] = useState(faults)
  if (faults !== seen) {
    setSeen(faults)
    if (faults.any(...paths)) setOpen(true)
  }
  return (
    <details className="fold card" open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>
        <span>{title}</span>
        {says && <span className="hint says">{says}</span>}
      </summary>
      <div className="stack fold-body">{children}</div>
    </details>
  )
}
