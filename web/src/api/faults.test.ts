import { describe, expect, test } from 'vitest'
import { covers, Faults, labelOf, parents } from './faults'

const faults = new Faults([
  { field: 'destinations[0].url', message: 'the scheme is not allowed' },
  { field: 'rules[0].when[1].in[2]', message: '"Germany" is not a country code' },
  { field: 'rules[0].when[10].on', message: 'unknown' },
  { field: 'rules', message: 'too many' },
  { field: 'slug', message: 'taken' },
])

describe('a fault is shown beside its field', () => {
  test.each([
    ['destinations[0].url', ['the scheme is not allowed']],
    ['destinations[0]', ['the scheme is not allowed']],
    ['destinations[0].weight', []],
    ['rules[0].when[1].in', ['"Germany" is not a country code']],
    ['rules[0].when[1]', ['"Germany" is not a country code']],
    ['rules[0].when[10]', ['unknown']],
    ['slu', []],
  ])('within %s', (path, want) => expect(faults.within(path)).toEqual(want))

  test('at a list is what is wrong with the list itself', () => {
    expect(faults.at('rules')).toEqual(['too many'])
    expect(faults.at('destinations')).toEqual([])
  })
})

test('changing a field takes away what was said of it, and nothing else', () => {
  const left = faults.without('rules[0].when[1]')
  expect(left.all).toHaveLength(4)
  expect(left.any('rules[0].when[10]')).toBe(true)
  expect(faults.without('note')).toBe(faults)
})

test.each([
  ['rules[1]', 'rules[1].when', true],
  ['rules[1]', 'rules[10].when', false],
  ['query', 'query.mode', true],
  ['query', 'query_names', false],
  ['slug', undefined, false],
])('%s covers %s: %s', (path, field, want) => expect(covers(path, field)).toBe(want))

test('the nearest place on the page is looked for first', () => {
  expect(parents('rules[0].when[1].in[2]')).toEqual(['rules[0].when[1].in[2]', 'rules[0].when[1].in', 'rules[0].when[1]', 'rules[0].when', 'rules[0]', 'rules'])
})

test.each([
  ['destinations[0].url', 'Destination 1, URL'],
  ['rules[0].when[1].in[2]', 'Rule 1, condition 2, is'],
  ['rules[1].destinations[0].weight', 'Rule 2, destination 1, weight'],
  ['ends_at', 'Ends'],
  ['cap.per', 'Cap, period'],
  ['cap.zone', 'Cap, time zone'],
  ['query.names[3]', 'Query parameters, name 4'],
])('%s is called %s', (path, want) => expect(labelOf(path).toLowerCase()).toBe(want.toLowerCase()))
