import { expect, test } from 'vitest'
import { ago, bytes, country, duration, host, percent, plural, withoutScheme } from './format'

test.each([
  [0, 0, '–'], [1, 4, '25 %'], [1, 3, '33 %'], [1, 30, '3.3 %'], [1, 100_000, '<0.1 %'], [0, 10, '0 %'], [10, 10, '100 %'],
])('%d of %d is %s', (part, whole, want) => expect(percent(part, whole)).toBe(want))

const now = new Date('2026-11-20T12:00:00Z')
test.each([
  ['2026-11-20T11:59:40Z', 'just now'],
  ['2026-11-20T11:58:00Z', '2 minutes ago'],
  ['2026-11-20T09:00:00Z', '3 hours ago'],
  ['2026-11-19T12:00:00Z', 'yesterday'],
  ['2026-08-20T12:00:00Z', '3 months ago'],
])('%s was %s', (at, want) => expect(ago(at, now)).toBe(want))

test.each([[0.2, 'less than a second'], [1, '1 second'], [59, '59 seconds'], [600, '10 minutes'], [7200, '2 hours'], [200_000, '2 days']])(
  '%d s is %s', (seconds, want) => expect(duration(seconds)).toBe(want))

test.each([['DE', 'Germany'], ['de', 'de'], ['', ''], ['<script>', '<script>']])('country %j is %j', (code, want) => expect(country(code)).toBe(want))

test('small things', () => {
  expect(plural(1, 'link')).toBe('1 link')
  expect(plural(0, 'link')).toBe('0 links')
  expect(bytes(1_500_000)).toBe('1.5 MB')
  expect(bytes(999)).toBe('999 B')
  expect(host('https://www.shop.example/a?b')).toBe('shop.example')
  expect(host('not a URL')).toBe('not a URL')
  expect(withoutScheme('https://shop.example/')).toBe('shop.example')
})
