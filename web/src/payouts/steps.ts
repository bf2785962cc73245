// What may be done to a payout.
import type { Payout } from '../money/words'

export type PayoutStep = 'approve' | 'sent' | 'undo'

/** stepsFor is what can come next; the server has the last word. */
export function stepsFor(state: Payout['state']): PayoutStep[] {
  if (state === 'draft') return ['approve', 'undo']
  if (state === 'approved') return ['sent', 'undo']
  return state === 'sent' ? ['undo'] : []
}
