import { describe, expect, test } from 'vitest'
import { stepsFor } from '../payouts/steps'
import { nameIn } from '../payouts/download'
import { amountFault, decisionsFor, earners } from './words'

describe('amounts as they are typed', () => {
  test.each(['12', '12.5', '0.01', ' 20.00 ', '999999999999999'])('%s is taken', (text) => expect(amountFault(text)).toBe(''))
  test.each(['', '0', '0.00', '-1', '1,50', '1e3', '12.', '.5', '12 EUR', '1.23456', '0x10', '١٢'])('%s is not', (text) => expect(amountFault(text)).not.toBe(''))
  test('only a correction may take', () => {
    expect(amountFault('-5.00', { sign: true })).toBe('')
    expect(amountFault('--5', { sign: true })).not.toBe('')
  })
  test('nothing typed means all of it, where that is offered', () => expect(amountFault(' ', { optional: true })).toBe(''))
})

test.each([
  ['pending', false, ['approve', 'hold', 'reverse']],
  ['pending', true, ['approve', 'release', 'reverse']],
  ['approved', false, ['reverse']],
  ['paid', false, ['reverse']],
  ['reversed', false, []],
  ['unmatched', false, ['reverse']],
])('decisions for %s, flagged %s', (state, flagged, want) => expect(decisionsFor({ state, flagged })).toEqual(want))

test('steps of a payout', () => {
  expect(stepsFor('draft')).toEqual(['approve', 'undo'])
  expect(stepsFor('approved')).toEqual(['sent', 'undo'])
  expect(stepsFor('sent')).toEqual(['undo'])
  expect(stepsFor('undone')).toEqual([])
})

test('each earner is named once', () => expect(earners([{ partner: 'mia' }, { partner: 'tom' }, { partner: 'mia' }, {}])).toBe('mia, tom, we'))

test('a file keeps the server’s name only if it is a plain one', () => {
  expect(nameIn('attachment; filename="payouts.acme.xml"', 'x.csv')).toBe('payouts.acme.xml')
  expect(nameIn('attachment; filename="../etc/passwd"', 'x.csv')).toBe('x.csv')
  expect(nameIn(null, 'x.csv')).toBe('x.csv')
})
