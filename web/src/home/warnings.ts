// What an operator should be told first.
import type { Status } from '../api/client'
import { count, duration } from '../format'

type Warning = Status['warnings'][number]

/** lateAfter is how old the oldest click outside of the reports may be, in seconds. */
export const lateAfter = 15

/** warningsOf is what the server says, alarms first, and what its numbers say besides, once. */
export function warningsOf(status: Status): Warning[] {
  const alarms = status.alarms.map(({ what, remedy }) => ({ what, remedy }))
  const out: Warning[] = [...alarms, ...status.warnings]
  const says = (pattern: RegExp) => out.some((w) => pattern.test(w.what))
  const dropped = status.journal?.dropped ?? 0
  if (dropped > 0 && !says(/\b(drop|lost|kept)/i)) {
    out.unshift({
      what: `${count(dropped)} clicks could not be kept since the start`,
      remedy: 'The journal cannot be written: look at the disk, and run sluice doctor.',
    })
  }
  const late = status.pipeline?.seconds ?? 0
  if (late > lateAfter && !says(/\b(behind|lag|late)/i)) {
    out.push({
      what: `The reports are ${duration(late)} behind: ${count(status.pipeline?.records ?? 0)} clicks wait`,
      remedy: 'No click is lost. If this grows, the log of the server says what holds the pipeline up.',
    })
  }
  return out
}
