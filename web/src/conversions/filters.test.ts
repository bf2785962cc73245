import { expect, test } from 'vitest'
import { isFiltered, readFilters, toQuery, writeFilters } from './filters'

test('an address from elsewhere asks for nothing that would be refused', () => {
  const filters = readFilters(new URLSearchParams('state=nonsense&since=yesterday&program=acme&other=1'))
  expect(toQuery(filters)).toEqual({ program: 'acme' })
})

test('a partner goes with its program', () => {
  const filters = readFilters(new URLSearchParams('program=acme&partner=mia&state=pending'))
  expect(toQuery(filters)).toEqual({ program: 'acme', partner: 'mia', state: 'pending' })
  expect(writeFilters(filters, { program: 'shop' }).toString()).toBe('program=shop&state=pending')
  expect(toQuery(readFilters(new URLSearchParams('partner=mia')))).toEqual({})
})

test('filters survive the address', () => {
  const filters = readFilters(new URLSearchParams('click=abc&since=2026-11-01&until=2026-11-30'))
  expect(readFilters(writeFilters(filters, {}))).toEqual(filters)
  expect(isFiltered(filters)).toBe(true)
  expect(isFiltered(readFilters(new URLSearchParams()))).toBe(false)
})
