import { expect, test } from 'vitest'
import { capText, leftText, opensText, shownStatus, type ClickCap } from './cap'

test.each<[ClickCap, string]>([
  [{ clicks: 1000, per: 'day', zone: 'Europe/Berlin' }, '1,000 clicks a day (Europe/Berlin)'],
  [{ clicks: 20_000, per: 'month' }, '20,000 clicks a month (UTC)'],
  [{ clicks: 1, per: 'hour' }, '1 click an hour'],
  [{ clicks: 5, per: 'hour', zone: 'Asia/Kolkata' }, '5 clicks an hour (Asia/Kolkata)'],
  [{ clicks: 5, per: 'total', zone: 'Europe/Berlin' }, '5 clicks in total'],
])('%o reads %s', (cap, want) => expect(capText(cap)).toBe(want))

test('only an active link is shown as closed by its cap', () => {
  const cap_reached = { at: '2026-11-27T10:00:00Z', clicks: 3 }
  expect(shownStatus({ status: 'active', cap_reached })).toBe('capped')
  expect(shownStatus({ status: 'paused', cap_reached })).toBe('paused')
  expect(shownStatus({ status: 'active' })).toBe('active')
})

test('a period ends by itself, a total does not', () => {
  const reached = { at: '2026-11-27T10:00:00Z', clicks: 3 }
  expect(opensText({ ...reached, until: '2026-11-27T23:00:00Z' })).toMatch(/^It opens again on .*28.*, or when/)
  expect(opensText(reached)).toBe('It opens again when the cap is raised or removed.')
})

test.each([[188, 0, '188 left'], [0, 0, 'none left'], [0, 1003, '1,003 too many']])('%d left, %d over: %s', (left, over, want) => expect(leftText({ left, over })).toBe(want))
