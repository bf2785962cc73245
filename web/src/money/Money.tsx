import { spoken, tone } from './words'

export function StateBadge({ state }: { state: string }) {
  return <span className={`badge ${tone(state)}`}>{state}</span>
}

/** Amount is text of the server as it came; below 0 it stands out, in words too. */
export function Amount({ of }: { of: { text: string; minor: number } }) {
  return <span className={of.minor < 0 ? 'money less' : 'money'}>{of.text}</span>
}

export function Reason({ word }: { word?: string }) {
  return word ? <>{spoken(word)}</> : null
}
