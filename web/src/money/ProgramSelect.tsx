import { usePrograms } from '../links/queries'

/** ProgramSelect chooses among all programs, or only those that keep books. */
export function ProgramSelect({ value, onChange, none, booked }: { value: string; onChange: (id: string) => void; none: string; booked?: boolean }) {
  const programs = (usePrograms().data ?? []).filter((p) => !booked || p.settlement)
  return (
    <select aria-label="Program" value={value} onChange={(e) => onChange(e.target.value)}>
      <option value="">{none}</option>
      {programs.map((p) => <option key={p.id} value={p.id}>{p.name || p.id}</option>)}
      {value && !programs.some((p) => p.id === value) && <option value={value}>{value}</option>}
    </select>
  )
}
