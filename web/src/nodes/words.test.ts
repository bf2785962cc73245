import { expect, test } from 'vitest'
import { distanceText, inOrder, linked, newestChange, rolesText, skewText, type Node } from './words'

const node = (role: string, number: number, more: Partial<Node> = {}): Node => ({
  name: `${role}-${number}-ABCD`, role, number, version: '1.0.0', address: '10.0.0.1:8081', table_seq: 10, waiting: 0, skew_seconds: 0, alarms: 0, ...more,
})
const nodes = [node('redirect', 10), node('pipeline', 6), node('redirect', 2), node('hermit', 1), node('control', 1)]

test('nodes of a role stand together, by number and not by name', () => {
  expect(inOrder(nodes).map((n) => `${n.role} ${n.number}`)).toEqual(['control 1', 'redirect 2', 'redirect 10', 'pipeline 6', 'hermit 1'])
  expect(rolesText(nodes)).toBe('1 control, 2 redirect, 1 pipeline, 1 hermit')
  expect(rolesText(linked(nodes))).toBe('1 control, 2 redirect, 1 hermit')
})

test('the newest change is the store’s, and of the furthest node while the store is away', () => {
  const far = [node('control', 1, { table_seq: 12 }), node('redirect', 2, { table_seq: 15 })]
  expect(newestChange({ catalog_seq: 14, nodes: far })).toBe(14)
  expect(newestChange({ catalog_seq: 0, nodes: far })).toBe(15)
  expect(newestChange({ catalog_seq: 0 })).toBe(0)
})

test.each([
  [812, 812, 'up to date'], [811, 812, '1 change behind'], [0, 1200, '1,200 changes behind'], [815, 812, '3 changes ahead of the store'],
])('change %d of %d is %s', (seq, newest, want) => expect(distanceText(seq, newest)).toBe(want))

test.each([[0, '0 ms'], [0.0004, '0 ms'], [0.012, '12 ms ahead'], [-0.3, '300 ms behind'], [1, '1.0 s ahead'], [-75.26, '75.3 s behind']])('a clock that is %d s off is %s', (seconds, want) => expect(skewText(seconds)).toBe(want))
