// Where visitors are sent: one URL, or several that share them.
import type { Faults } from '../api/faults'
import { percent } from '../format'
import { CheckField, FaultList, TextField } from '../ui/Field'
import { Icon } from '../ui/Icon'
import { newDestination, shares, type DestinationDraft } from './draft'

interface DestinationsProps {
  list: DestinationDraft[]
  path: string
  faults: Faults
  label?: string
  autoFocus?: boolean
  /** path is that of what was changed */
  onChange: (list: DestinationDraft[], path: string) => void
}

export function DestinationsField({ list, path, faults, label = 'Leads to', autoFocus, onChange }: DestinationsProps) {
  const several = list.length > 1
  const parts = shares(list)
  const set = (i: number, change: Partial<DestinationDraft>, field: string) =>
    onChange(list.map((d, at) => (at === i ? { ...d, ...change } : d)), several && field === 'weight' ? path : `${path}[${i}].${field}`)
  return (
    <div className="stack tight" data-path={path}>
      <FaultList faults={faults.at(path)} />
      {list.map((d, i) => {
        const at = `${path}[${i}]`
        return (
          <div key={d.key} className={several ? 'destination' : ''} data-path={at} role={several ? 'group' : undefined} aria-label={several ? `Destination ${i + 1}` : undefined}>
            <TextField
              label={several ? `${label} ${i + 1}` : label} path={`${at}.url`} type="text" inputMode="url" className="wide-field" autoFocus={autoFocus && i === 0}
              autoCapitalize="none" spellCheck={false} placeholder="https://shop.example/kettle?tag=blog" value={d.url}
              faults={[...faults.at(at), ...faults.within(`${at}.url`)]} onChange={(e) => set(i, { url: e.target.value }, 'url')}
            />
            {several && (
              <div className="destination-more">
                <TextField label="Weight" path={`${at}.weight`} inputMode="numeric" value={d.weight} faults={faults.within(`${at}.weight`)}
                  hint={`${percent(parts[i] ?? 0, 1)} of visitors`} onChange={(e) => set(i, { weight: e.target.value }, 'weight')} />
                <TextField label="Name in reports" path={`${at}.id`} placeholder={String.fromCharCode(97 + (i % 26))} value={d.id} faults={faults.within(`${at}.id`)}
                  onChange={(e) => set(i, { id: e.target.value }, 'id')} />
                <CheckField label="Out of use" path={`${at}.down`} checked={d.down} onChange={(e) => set(i, { down: e.target.checked }, 'down')} />
                <button type="button" className="quiet" onClick={() => onChange(list.filter((_, n) => n !== i), path)} aria-label={`Remove destination ${i + 1}`}>
                  <Icon name="remove" /> Remove
                </button>
              </div>
            )}
          </div>
        )
      })}
      <p>
        <button type="button" className="quiet small" onClick={() => onChange([...list, newDestination()], path)}>
          <Icon name="add" /> {several ? 'Another destination' : 'Split visitors between destinations'}
        </button>
      </p>
    </div>
  )
}
