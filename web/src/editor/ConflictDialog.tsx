// Two people changed the same link. What the other one did is shown, and nothing
// of either is lost unless somebody says so.
import { useState } from 'react'
import type { Change, Link, LinkInput } from '../api/client'
import { ago } from '../format'
import { Dialog } from '../ui/Dialog'
import { merge, type Clash } from './merge'

interface ConflictProps {
  base: Link
  mine: LinkInput
  current: Link
  last?: Change
  busy: boolean
  onSave: (body: LinkInput) => void
  onDiscard: () => void
  onClose: () => void
}

export function ConflictDialog({ base, mine, current, last, busy, onSave, onDiscard, onClose }: ConflictProps) {
  const both = merge(base, mine, current)
  const [chosen, setChosen] = useState<Partial<Record<keyof LinkInput, 'mine' | 'theirs'>>>({})
  const who = last?.actor ?? 'Somebody'
  return (
    <Dialog title="The link was changed meanwhile" onClose={onClose} wide>
      <p>{who} changed it {last ? ago(last.at) : 'while you were editing'}. Your changes are not saved yet.</p>
      {both.clashes.length > 0 && <h3>You both changed this: whose is right?</h3>}
      {both.clashes.map((c) => (
        <Choice key={c.name} clash={c} who={who} value={chosen[c.name] ?? 'mine'} onChange={(v) => setChosen((old) => ({ ...old, [c.name]: v }))} />
      ))}
      {both.theirs.length > 0 && (
        <>
          <h3>Changed by {who}, and kept</h3>
          <dl className="diff">
            {both.theirs.map((d) => (
              <div key={d.name}><dt>{d.label}</dt><dd><del>{d.before}</del> <span aria-hidden="true">→</span> <ins>{d.after}</ins></dd></div>
            ))}
          </dl>
        </>
      )}
      <footer className="actions">
        <button type="button" className="primary" disabled={busy} onClick={() => onSave(both.resolve((name) => chosen[name] ?? 'mine'))}>Save both</button>
        <button type="button" onClick={onDiscard}>Discard my changes</button>
        <button type="button" onClick={onClose}>Go on editing</button>
      </footer>
    </Dialog>
  )
}

function Choice({ clash, who, value, onChange }: { clash: Clash; who: string; value: 'mine' | 'theirs'; onChange: (v: 'mine' | 'theirs') => void }) {
  return (
    <fieldset className="choice">
      <legend>{clash.label}</legend>
      {(['mine', 'theirs'] as const).map((side) => (
        <label key={side}>
          <input type="radio" name={clash.name} checked={value === side} onChange={() => onChange(side)} />
          <span><strong>{side === 'mine' ? 'Yours' : `By ${who}`}</strong><span className="value">{clash[side]}</span></span>
        </label>
      ))}
    </fieldset>
  )
}
