// A link's cap of clicks, as people read it.
import type { components } from '../api/schema'
import type { Link, LinkStatus } from '../api/client'
import { count, dateTime, plural } from '../format'

type Schemas = components['schemas']
export type ClickCap = Schemas['ClickCap']
export type CapReached = Schemas['CapReached']
export type CapUse = Schemas['CapUse']
export type CapPeriod = NonNullable<ClickCap['per']>

/** perWords are what stands behind a number of clicks. */
export const perWords: Record<CapPeriod, string> = { hour: 'an hour', day: 'a day', month: 'a month', total: 'in total' }

/** capText is a cap in a few words: "1,000 clicks a day (Europe/Berlin)". */
export function capText({ clicks = 0, per = 'total', zone }: ClickCap): string {
  const limit = `${plural(clicks, 'click')} ${perWords[per]}`
  if (per === 'day' || per === 'month') return `${limit} (${zone || 'UTC'})`
  return per === 'hour' && zone ? `${limit} (${zone})` : limit
}

/** shownStatus is a link's status as people should read it: an active link that its cap has closed sends nobody. */
export function shownStatus({ status, cap_reached }: Pick<Link, 'status' | 'cap_reached'>): LinkStatus | 'capped' {
  return status === 'active' && cap_reached ? 'capped' : status
}

/** opensText says when a link that its cap has closed opens again. */
export function opensText({ until }: CapReached): string {
  return until ? `It opens again on ${dateTime(until)}, or when the cap is raised or removed.` : 'It opens again when the cap is raised or removed.'
}

/** leftText says what is left of a cap, or how much was too much. */
export function leftText({ left, over }: Pick<CapUse, 'left' | 'over'>): string {
  if (over > 0) return `${count(over)} too many`
  return left === 0 ? 'none left' : `${count(left)} left`
}
