// Short messages about what was just done, read out by screen readers too.
import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from 'react'
import { Icon } from './Icon'

interface Notice {
  id: number
  text: string
}

const Context = createContext<(text: string) => void>(() => {})

/** useNotice returns the function that shows a message for a few seconds. */
export function useNotice(): (text: string) => void {
  return useContext(Context)
}

const shownFor = 5000

export function Notices({ children }: { children: ReactNode }) {
  const [list, setList] = useState<Notice[]>([])
  const last = useRef(0)
  const hide = useCallback((id: number) => setList((all) => all.filter((n) => n.id !== id)), [])
  const show = useCallback((text: string) => {
    const id = ++last.current
    setList((all) => [...all.slice(-2), { id, text }])
    window.setTimeout(() => hide(id), shownFor)
  }, [hide])
  return (
    <Context value={useMemo(() => show, [show])}>
      {children}
      <div className="notices" role="status" aria-live="polite">
        {list.map((n) => (
          <p key={n.id}>
            <Icon name="check" />
            {n.text}
          </p>
        ))}
      </div>
    </Context>
  )
}
