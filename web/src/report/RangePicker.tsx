import { useSearchParams } from 'react-router'
import { zone } from '../format'
import { dateText, dayOf, rangeNames, readRange, spanOf, type RangeName } from './time'

/** RangePicker keeps the chosen time in the page's address. */
export function RangePicker({ now }: { now: Date }) {
  const [params, setParams] = useSearchParams()
  const range = readRange(params)
  const choose = (name: RangeName) =>
    setParams((old) => {
      const out = new URLSearchParams(old)
      out.set('range', name)
      if (name === 'custom') {
        out.set('from', range.from || dateText(dayOf(now, -6)))
        out.set('to', range.to || dateText(now))
      } else {
        out.delete('from')
        out.delete('to')
      }
      return out
    }, { replace: true })
  const set = (name: 'from' | 'to', value: string) =>
    setParams((old) => {
      const out = new URLSearchParams(old)
      out.set(name, value)
      return out
    }, { replace: true })
  const wrong = range.name === 'custom' && !spanOf(range, now)
  return (
    <div className="range">
      <div className="segments" role="group" aria-label="Time range">
        {rangeNames.map(({ name, label }) => (
          <button key={name} type="button" aria-pressed={range.name === name} onClick={() => choose(name)}>{label}</button>
        ))}
      </div>
      {range.name === 'custom' && (
        <div className="range-dates">
          <label>from <input type="date" value={range.from} max={dateText(now)} onChange={(e) => set('from', e.target.value)} /></label>
          <label>to <input type="date" value={range.to} min={range.from} max={dateText(now)} onChange={(e) => set('to', e.target.value)} /></label>
          {wrong && <span className="faults" role="status">Choose a first day and a last day after it.</span>}
          <span className="hint">{zone}</span>
        </div>
      )}
    </div>
  )
}
