// A label, what is typed into, a hint, and beside it what the server did not like.
import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react'

interface Wired {
  id: string
  'aria-invalid'?: true
  'aria-describedby'?: string
}

interface FieldProps {
  label: ReactNode
  hint?: ReactNode
  faults?: string[]
  /** path of the field as the server names it, to find it from a list of faults */
  path?: string
  className?: string
  children: (wired: Wired) => ReactNode
}

export function Field({ label, hint, faults = [], path, className, children }: FieldProps) {
  const id = useId()
  const described = [faults.length > 0 && `${id}-fault`, hint !== undefined && `${id}-hint`].filter(Boolean).join(' ')
  const wired: Wired = { id }
  if (faults.length > 0) wired['aria-invalid'] = true
  if (described) wired['aria-describedby'] = described
  return (
    <div className={`field ${className ?? ''}`} data-path={path}>
      <label htmlFor={id}>{label}</label>
      {children(wired)}
      <FaultList id={`${id}-fault`} faults={faults} />
      {hint !== undefined && <p className="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  )
}

export function FaultList({ id, faults }: { id?: string; faults: string[] }) {
  if (faults.length === 0) return null
  return (
    <ul className="faults" id={id}>
      {faults.map((f) => <li key={f}>{f}</li>)}
    </ul>
  )
}

type Shared = Omit<FieldProps, 'children'>

export function TextField({ label, hint, faults, path, className, ...input }: Shared & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <Field {...{ label, hint, faults, path, className }}>
      {(wired) => <input type="text" autoComplete="off" {...input} {...wired} />}
    </Field>
  )
}

export function AreaField({ label, hint, faults, path, className, ...input }: Shared & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return <Field {...{ label, hint, faults, path, className }}>{(wired) => <textarea rows={2} {...input} {...wired} />}</Field>
}

export function SelectField({ label, hint, faults, path, className, children, ...input }: Shared & SelectHTMLAttributes<HTMLSelectElement>) {
  return <Field {...{ label, hint, faults, path, className }}>{(wired) => <select {...input} {...wired}>{children}</select>}</Field>
}

export function CheckField({ label, hint, faults = [], path, ...input }: Shared & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <div className="field check" data-path={path}>
      <input type="checkbox" {...input} id={id} aria-describedby={hint !== undefined ? `${id}-hint` : undefined} />
      <label htmlFor={id}>{label}</label>
      {hint !== undefined && <p className="hint" id={`${id}-hint`}>{hint}</p>}
      <FaultList faults={faults} />
    </div>
  )
}
