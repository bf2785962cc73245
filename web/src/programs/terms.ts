// Settlement terms in words.
import type { components } from '../api/schema'

type Terms = components['schemas']['CommissionTerms']
type Rate = components['schemas']['Rate']

/** percentText writes millionths as percent: 75000 is 7.5 %. By digits, so that nothing is rounded. */
export function percentText(millionths: number): string {
  const digits = String(millionths).padStart(5, '0')
  const fraction = digits.slice(-4).replace(/0+$/, '')
  return `${digits.slice(0, -4)}${fraction && `.${fraction}`} %`
}

/** minorText writes minor units with the point where the currency has it: 1234 of EUR is 12.34 EUR. */
export function minorText(minor: number, currency: string): string {
  const places = decimals(currency)
  const digits = String(Math.abs(minor)).padStart(places + 1, '0')
  const text = places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`
  return `${minor < 0 ? '-' : ''}${text} ${currency}`
}

function decimals(currency: string): number {
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2
  } catch {
    return 2
  }
}

/** rateText says what one kind of order earns. */
export function rateText(rate: Rate, currency: string): string {
  const pays = (r: { percent?: number; fixed?: number }) =>
    [r.percent && percentText(r.percent), r.fixed && minorText(r.fixed, currency)].filter(Boolean).join(' and ') || 'nothing'
  const of = [rate.event && `event ${rate.event}`, rate.category && `category ${rate.category}`, rate.customer && `${rate.customer} customers`].filter(Boolean)
  const out = [pays(rate) + (of.length > 0 ? ` for ${of.join(', ')}` : '')]
  for (const tier of rate.tiers ?? []) out.push(`${pays(tier)} from ${minorText(tier.from ?? 0, currency)} a month`)
  if (rate.cap) out.push(`at most ${minorText(rate.cap, currency)}`)
  if (rate.orders) out.push(`only for the first ${rate.orders} of a customer`)
  return out.join('; ')
}

/** approvalText says when a commission is approved. */
export function approvalText(terms: Terms): string {
  if (terms.manual) return 'approved by the merchant or a person only'
  const hold = terms.hold_days ? `held for ${terms.hold_days} days` : 'not held'
  return terms.lock_day ? `${hold}, then approved on day ${terms.lock_day} of the next month` : hold
}
