import { useId } from 'react'
import type { Faults } from '../api/faults'
import { country, zone, zones } from '../format'
import { FaultList, TextField } from '../ui/Field'
import { Icon } from '../ui/Icon'
import { list, type ConditionDraft } from './draft'

interface ConditionProps {
  condition: ConditionDraft
  path: string
  first: boolean
  faults: Faults
  onChange: (change: Partial<ConditionDraft>) => void
  onRemove: () => void
}

const facts: { on: ConditionDraft['on']; label: string }[] = [
  { on: 'country', label: 'country' },
  { on: 'device', label: 'device' },
  { on: 'language', label: 'language' },
  { on: 'referrer', label: 'referrer' },
  { on: 'query', label: 'query parameter' },
  { on: 'time', label: 'day and time' },
  { on: 'date', label: 'date' },
  { on: 'visitor', label: 'visitor' },
]

const choices: Partial<Record<ConditionDraft['on'], string[]>> = {
  device: ['phone', 'tablet', 'desktop', 'tv', 'bot', 'other'],
  visitor: ['new', 'returning'],
}

const examples: Partial<Record<ConditionDraft['on'], string>> = {
  country: 'DE, AT, CH', language: 'en, pt-br', referrer: 'youtube.com, (none)', query: 'newsletter, *',
}

export function ConditionField({ condition, path, first, faults, onChange, onRemove }: ConditionProps) {
  const id = useId()
  const { on } = condition
  return (
    <div className="condition" data-path={path}>
      <div className="condition-head">
        <label htmlFor={`${id}-on`}>{first ? 'If the' : 'and the'}</label>
        <select id={`${id}-on`} value={on} onChange={(e) => onChange({ on: e.target.value as ConditionDraft['on'], values: '', name: '', not: false, zone: condition.zone || zone })}>
          {facts.map((f) => <option key={f.on} value={f.on}>{f.label}</option>)}
        </select>
        {on === 'query' && <ParameterName {...{ condition, path, faults, onChange }} />}
        {on !== 'time' && on !== 'date' && (
          <select aria-label="is or is not" value={condition.not ? 'not' : 'is'} onChange={(e) => onChange({ not: e.target.value === 'not' })}>
            <option value="is">is</option>
            <option value="not">is not</option>
          </select>
        )}
        <button type="button" className="quiet icon-only" onClick={onRemove} aria-label="Remove the condition"><Icon name="close" /></button>
      </div>
      <FaultList faults={[...faults.at(path), ...faults.within(`${path}.on`)]} />
      {on === 'time' ? <TimeFields {...{ condition, path, faults, onChange }} />
        : on === 'date' ? <DateFields {...{ condition, path, faults, onChange }} />
          : <Values {...{ condition, path, faults, onChange }} />}
    </div>
  )
}

type PartProps = Pick<ConditionProps, 'condition' | 'path' | 'faults' | 'onChange'>

function ParameterName({ condition, path, faults, onChange }: PartProps) {
  const found = faults.within(`${path}.name`)
  return (
    <span data-path={`${path}.name`}>
      <input type="text" aria-label="Name of the parameter" placeholder="utm_source" value={condition.name} aria-invalid={found.length > 0 || undefined} onChange={(e) => onChange({ name: e.target.value })} />
      <FaultList faults={found} />
    </span>
  )
}

function Values({ condition, path, faults, onChange }: PartProps) {
  const found = [...faults.within(`${path}.in`), ...faults.within(`${path}.not_in`)]
  const options = choices[condition.on]
  const values = list(condition.values)
  if (options) {
    const toggle = (value: string) => onChange({ values: (values.includes(value) ? values.filter((v) => v !== value) : [...values, value]).join(', ') })
    return (
      <div className="toggles" role="group" aria-label="Values" data-path={`${path}.in`}>
        {options.map((o) => <button key={o} type="button" aria-pressed={values.includes(o)} onClick={() => toggle(o)}>{o}</button>)}
        <FaultList faults={found} />
      </div>
    )
  }
  const named = condition.on === 'country' ? values.map((v) => country(v.toUpperCase())).filter((name, i) => name !== values[i]!.toUpperCase()).join(', ') : ''
  return (
    <TextField label={<span className="sr-only">Values, separated by commas</span>} path={`${path}.in`} placeholder={examples[condition.on]} value={condition.values} faults={found}
      autoCapitalize="none" spellCheck={false} hint={named || 'Separated by commas; one of them is enough.'} onChange={(e) => onChange({ values: e.target.value })} />
  )
}

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

function TimeFields({ condition, path, faults, onChange }: PartProps) {
  const id = useId()
  const toggle = (day: string) => onChange({ days: days.filter((d) => (d === day) !== condition.days.includes(d)) })
  return (
    <div className="stack tight">
      <div className="toggles" role="group" aria-label="Days" data-path={`${path}.days`}>
        {days.map((d) => <button key={d} type="button" aria-pressed={condition.days.includes(d)} onClick={() => toggle(d)}>{d}</button>)}
      </div>
      <FaultList faults={faults.within(`${path}.days`)} />
      <div className="columns three">
        <TextField label="From" path={`${path}.from`} placeholder="09:00" value={condition.from} faults={faults.within(`${path}.from`)} onChange={(e) => onChange({ from: e.target.value })} />
        <TextField label="To" path={`${path}.to`} placeholder="17:00" value={condition.to} faults={faults.within(`${path}.to`)} onChange={(e) => onChange({ to: e.target.value })} />
        <TextField label="Time zone" path={`${path}.zone`} list={id} value={condition.zone} faults={faults.within(`${path}.zone`)} onChange={(e) => onChange({ zone: e.target.value })} />
        <datalist id={id}>{zones.map((z) => <option key={z} value={z} />)}</datalist>
      </div>
    </div>
  )
}

function DateFields({ condition, path, faults, onChange }: PartProps) {
  return (
    <div className="columns">
      <TextField label="From" type="datetime-local" path={`${path}.after`} value={condition.after} faults={faults.within(`${path}.after`)} onChange={(e) => onChange({ after: e.target.value })} />
      <TextField label="Before" type="datetime-local" path={`${path}.before`} value={condition.before} faults={faults.within(`${path}.before`)} onChange={(e) => onChange({ before: e.target.value })} />
    </div>
  )
}
