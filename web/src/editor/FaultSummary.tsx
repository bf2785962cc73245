// All that the server did not like, at the top; each leads to its field.
import { useEffect, useRef } from 'react'
import { labelOf, parents, type Faults } from '../api/faults'
import { Icon } from '../ui/Icon'

/** FaultSummary takes the focus at each answer that refuses the form. */
export function FaultSummary({ faults, answer }: { faults: Faults; answer: number }) {
  const ref = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (answer > 0) ref.current?.focus()
  }, [answer])
  if (faults.all.length === 0) return null
  return (
    <div className="trouble summary" role="alert" ref={ref} tabIndex={-1}>
      <Icon name="warning" />
      <div>
        <p><strong>Not saved: {faults.all.length === 1 ? 'one thing needs' : `${faults.all.length} things need`} another look.</strong></p>
        <ul>
          {faults.all.map((f) => (
            <li key={f.field + f.message}>
              {f.field ? <button type="button" className="as-link" onClick={() => focusOn(f.field)}>{labelOf(f.field)}</button> : 'The link'}: {f.message}
            </li>
          ))}
        </ul>
      </div>
    </div>
  )
}

function focusOn(field: string) {
  for (const path of parents(field)) {
    const place = document.querySelector(`[data-path="${CSS.escape(path)}"]`)
    if (!place) continue
    place.closest('details')?.setAttribute('open', '')
    place.querySelector<HTMLElement>('input, select, textarea, button')?.focus()
    place.scrollIntoView({ block: 'center' })
    return
  }
}
