import { describe, expect, test } from 'vitest'
import { conversionsOf, isYoung, nameOf, nextOrder, percent, readDimension, readOrder, type Row } from './words'
import { queryOf } from './queries'

const row = (more: object) => ({ conversions: 10, maturity: 1, ...more }) as unknown as Row

describe('a report of money', () => {
  test('ratios', () => {
    expect([0, 0.5, 0.020833, 1, 0.333333, 0.00004, null, undefined].map(percent)).toEqual(['0', '50', '2.08', '100', '33.3', '0', '', ''].map((n) => (n ? `${n}\u00a0%` : '–')))
  })
  test('what is too young to compare', () => {
    expect([row({ maturity: 0.79 }), row({ maturity: 0.8 }), row({ maturity: null }), row({ conversions: 0, maturity: null })].map(isYoung)).toEqual([true, false, true, false])
  })
  test('names', () => {
    expect(nameOf(row({ partner: '' }), 'partner')).toBe('we')
    expect(nameOf(row({ page: '' }), 'page')).toBe('none')
    expect(nameOf(row({ month: '2026-11' }), 'month')).toBe('2026-11')
  })
  test('where a row leads', () => {
    expect(conversionsOf(row({ program: 'a&b' }), 'program', '')).toBe('/conversions?program=a%26b')
    expect(conversionsOf(row({ partner: 'anna' }), 'partner', 'lamps')).toBe('/conversions?program=lamps&partner=anna')
    expect(conversionsOf(row({ partner: 'anna' }), 'partner', '')).toBe('')
    expect(conversionsOf(row({ month: '2026-11' }), 'month', 'lamps')).toBe('')
  })
  test('the order', () => {
    expect(['-net', 'epc', '-drop', '', null].map(readOrder)).toEqual(['-net', 'epc', '', '', ''])
    expect([nextOrder('', 'net'), nextOrder('-net', 'net'), nextOrder('net', 'net'), nextOrder('-epc', 'net')]).toEqual(['-net', 'net', '', '-net'])
  })
  test('what the address may ask for', () => {
    expect(readDimension('drop table')).toBe('month')
    expect(readDimension('variant')).toBe('variant')
    expect(queryOf({ by: 'link', program: 'lamps', currency: 'EUR', order: '-net' }, { since: '2026-11-01', until: '' }, 'Europe/Berlin')).toEqual({
      by: ['link'], since: '2026-11-01', zone: 'Europe/Berlin', is: ['program:lamps'], currency: 'EUR', limit: 200, order: '-net',
    })
    expect(queryOf({ by: 'month', program: '', currency: 'eu', order: '' }, { since: '2026-11-01', until: '2026-11-02' }, 'UTC')).toEqual({
      by: ['month'], since: '2026-11-01', until: '2026-11-02', zone: 'UTC', limit: 200,
    })
  })
})
