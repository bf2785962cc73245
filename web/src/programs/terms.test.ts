import { expect, test } from 'vitest'
import { approvalText, minorText, percentText, rateText } from './terms'

test.each([[75_000, '7.5 %'], [1_000_000, '100 %'], [1, '0.0001 %'], [100_000, '10 %'], [0, '0 %'], [333_333, '33.3333 %']])('%d millionths', (n, want) => expect(percentText(n)).toBe(want))

test.each([[1234, 'EUR', '12.34 EUR'], [5, 'EUR', '0.05 EUR'], [-5, 'EUR', '-0.05 EUR'], [1234, 'JPY', '1234 JPY'], [1234, 'KWD', '1.234 KWD']])('%d minor units of %s', (n, currency, want) => expect(minorText(n, currency)).toBe(want))

test('a rate in words', () => {
  expect(rateText({ percent: 75_000, fixed: 100, category: 'lamps', cap: 5000, tiers: [{ from: 100_000, percent: 100_000 }] }, 'EUR'))
    .toBe('7.5 % and 1.00 EUR for category lamps; 10 % from 1000.00 EUR a month; at most 50.00 EUR')
  expect(rateText({}, 'EUR')).toBe('nothing')
})

test('when a commission is approved', () => {
  expect(approvalText({ manual: true })).toBe('approved by the merchant or a person only')
  expect(approvalText({ hold_days: 30, lock_day: 10 })).toBe('held for 30 days, then approved on day 10 of the next month')
  expect(approvalText({})).toBe('not held')
})
