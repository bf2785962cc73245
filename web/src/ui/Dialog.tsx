// A question that must be answered first. The browser's own dialog keeps the
// focus inside, closes on Escape and gives the focus back.
import { useEffect, useId, useRef, type ReactNode } from 'react'
import { Icon } from './Icon'

interface DialogProps {
  title: string
  onClose?: () => void // absent: it cannot be closed without an answer
  wide?: boolean
  children: ReactNode
}

export function Dialog({ title, onClose, wide, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const dialog = ref.current
    if (dialog && !dialog.open) dialog.showModal()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={ref} aria-labelledby={id} className={wide ? 'wide' : ''}
      onCancel={(e) => {
        e.preventDefault()
        onClose?.()
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {onClose && <button type="button" className="quiet icon-only" onClick={onClose} aria-label="Close"><Icon name="close" /></button>}
      </header>
      {children}
    </dialog>
  )
}

interface ConfirmProps {
  title: string
  action: string
  danger?: boolean
  busy?: boolean
  onConfirm: () => void
  onClose: () => void
  children: ReactNode
}

export function Confirm({ title, action, danger, busy, onConfirm, onClose, children }: ConfirmProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <footer className="actions">
        <button type="button" className={danger ? 'danger' : 'primary'} disabled={busy} onClick={onConfirm}>{action}</button>
        <button type="button" onClick={onClose} autoFocus>Cancel</button>
      </footer>
    </Dialog>
  )
}
