// How many clicks a link may send before its fallback answers.
import { useId } from 'react'
import { dateTime, plural, zone, zones } from '../format'
import { capText, perWords, type CapReached } from '../links/cap'
import { SelectField, TextField } from '../ui/Field'
import { capOf, perChosen, type Draft } from './draft'
import type { PartProps } from './fields'
import { Fold } from './Fold'

export function CapFold({ draft, faults, edit, reached }: PartProps & { reached?: CapReached }) {
  const id = useId()
  const { capPer: per } = draft
  const cap = capOf(draft)
  const says = cap && typeof cap.clicks === 'number' && cap.clicks > 0 ? `at most ${capText(cap)}` : ''
  return (
    <Fold title="Cap of clicks" says={says} faults={faults} paths={['cap']} open={per !== 'none'}>
      <div className="columns" data-path="cap">
        <SelectField label="Cap" path="cap.per" value={per} faults={[...faults.at('cap'), ...faults.within('cap.per')]}
          onChange={(e) => edit(perChosen(draft, e.target.value as Draft['capPer'], zone), 'cap')}>
          <option value="none">none, any number of clicks</option>
          {Object.entries(perWords).map(([value, text]) => <option key={value} value={value}>clicks {text}</option>)}
        </SelectField>
        {per !== 'none' && (
          <TextField label="Clicks" inputMode="numeric" path="cap.clicks" placeholder="1000" value={draft.capClicks} faults={faults.within('cap.clicks')}
            onChange={(e) => edit({ capClicks: e.target.value }, 'cap.clicks')} />
        )}
        {per !== 'none' && (per !== 'total' || draft.capZone !== '') && (
          <TextField label="Time zone" path="cap.zone" list={id} placeholder="UTC" spellCheck={false} value={draft.capZone} faults={faults.within('cap.zone')}
            hint="Where days and months begin. Empty: UTC." onChange={(e) => edit({ capZone: e.target.value }, 'cap.zone')} />
        )}
      </div>
      <datalist id={id}>{zones.map((z) => <option key={z} value={z} />)}</datalist>
      {reached && <p className="hint">Closed since {dateTime(reached.at)} after {plural(reached.clicks, 'click')}: a cap above that opens it.</p>}
      <p className="hint">Valid clicks that were sent to a destination count. With the last of them the link is closed and its fallback answers; what is clicked in the seconds until then is sent on and counted.</p>
    </Fold>
  )
}
