// What nodes say of themselves, as people read it.
import type { Status } from '../api/client'
import { count, plural } from '../format'

export type Node = NonNullable<Status['nodes']>[number]

/** skewMax is how far a clock may be off, in seconds, before the server warns of it. */
export const skewMax = 1

const roles = ['all', 'control', 'redirect', 'pipeline']

/** inOrder lists nodes of one role together, by number. */
export function inOrder(nodes: Node[]): Node[] {
  const rank = (n: Node) => (roles.indexOf(n.role) + roles.length + 1) % (roles.length + 1) // unknown ones last
  return [...nodes].sort((a, b) => rank(a) - rank(b) || a.number - b.number || (a.name < b.name ? -1 : 1))
}

/** linked are the nodes that have links; collectors need none. */
export function linked(nodes: Node[]): Node[] {
  return nodes.filter((n) => n.role !== 'pipeline')
}

/** rolesText counts nodes by role: "2 control, 3 redirect". */
export function rolesText(nodes: Node[]): string {
  const found = new Map<string, number>()
  for (const { role } of inOrder(nodes)) found.set(role, (found.get(role) ?? 0) + 1)
  return [...found].map(([role, n]) => `${count(n)} ${role}`).join(', ')
}

/** newestChange is the store's, or where the store cannot be asked that of the node that is furthest. */
export function newestChange({ catalog_seq, nodes = [] }: Pick<Status, 'catalog_seq' | 'nodes'>): number {
  return catalog_seq || Math.max(0, ...nodes.map((n) => n.table_seq))
}

/** distanceText says how far a node's links are from the newest change. Ahead of the store is who knows more than a backup that was restored. */
export function distanceText(seq: number, newest: number): string {
  if (seq === newest) return 'up to date'
  return seq < newest ? `${plural(newest - seq, 'change')} behind` : `${plural(seq - newest, 'change')} ahead of the store`
}

/** skewText is how far a clock is off: thousandths of a second while it is close. */
export function skewText(seconds: number): string {
  const size = Math.abs(seconds)
  const text = size < skewMax ? `${Math.round(size * 1000)} ms` : `${size.toFixed(1)} s`
  if (size < 0.0005) return text
  return `${text} ${seconds > 0 ? 'ahead' : 'behind'}`
}
