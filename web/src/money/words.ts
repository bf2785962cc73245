// The words of the books, as people read them.
import type { components } from '../api/schema'

type Schemas = components['schemas']
export type Conversion = Schemas['Conversion']
export type Explanation = Schemas['ConversionExplanation']
export type Payout = Schemas['Payout']
export type Do = Schemas['DecisionInput']['do']

/** reasons are those of reversals and adjustments that the server knows. */
export const reasons = [
  'other', 'item_returned', 'rejected', 'customer_info_invalid', 'consumer_error', 'fraud', 'out_of_stock', 'order_error', 'publisher_dispute', 'terms', 'merchant_return',
] as const

/** tone is the class of a badge: what is settled, what waits for somebody. */
export function tone(state: string): string {
  if (state === 'approved' || state === 'paid' || state === 'sent') return 'active'
  if (state === 'reversed' || state === 'undone') return 'gone'
  return 'paused'
}

/** spoken is a word of the API as people write it: item_returned becomes "item returned". */
export function spoken(word: string): string {
  return word.replaceAll('_', ' ')
}

/** earners names who earns by a conversion; "we" where no partner stands. */
export function earners(shares: { partner?: string }[]): string {
  return [...new Set(shares.map((s) => s.partner || 'we'))].join(', ')
}

/** decisionsFor are those that make sense for a conversion as it stands; the server has the last word. */
export function decisionsFor(conversion: { state: string; flagged?: boolean }): Do[] {
  const { state, flagged } = conversion
  const out: Do[] = []
  if (state === 'pending') out.push('approve')
  if (state === 'pending' && !flagged) out.push('hold')
  if (flagged) out.push('release')
  if (state !== 'reversed') out.push('reverse')
  return out
}

/** amountFault says what is wrong with a typed amount, or nothing. It is sent as it was typed, never as a number. */
export function amountFault(text: string, { sign = false, optional = false } = {}): string {
  const typed = text.trim()
  if (typed === '') return optional ? '' : 'Write an amount, such as 12.50.'
  const form = sign ? /^-?\d{1,15}(?:\.\d{1,4})?$/ : /^\d{1,15}(?:\.\d{1,4})?$/
  if (!form.test(typed)) return 'Write digits and at most one point, such as 12.50, without the currency.'
  return /[1-9]/.test(typed) ? '' : 'The amount must not be 0.'
}

/** dateFault says what is wrong with a day as the API takes it. */
export function dateFault(text: string): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? '' : 'Choose a day.'
}
