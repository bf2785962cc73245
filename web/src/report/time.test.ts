import { describe, expect, test } from 'vitest'
import { bars, instant, localInput, parseDate, readRange, series, spanOf } from './time'

// The tests run in the zone Europe/Berlin, see vite.config.ts.
const at = (text: string) => new Date(text)
const range = (query: string) => readRange(new URLSearchParams(query))

describe('ranges', () => {
  test.each([['', '30d'], ['range=7d', '7d'], ['range=../etc', '30d'], ['range=custom&from=2026-01-01', 'custom']])('%s is %s', (query, name) => expect(range(query).name).toBe(name))

  test('seven days are today and the six before, from midnight on', () => {
    const span = spanOf(range('range=7d'), at('2026-11-20T12:34:00+01:00'))!
    expect(span).toMatchObject({ since: '2026-11-14', until: '', unit: 'day' })
    expect(bars(span).map((b) => b.key)).toEqual(['2026-11-14', '2026-11-15', '2026-11-16', '2026-11-17', '2026-11-18', '2026-11-19', '2026-11-20'])
  })

  test('24 hours are whole hours, the current one included', () => {
    const span = spanOf(range('range=24h'), at('2026-11-20T12:34:00+01:00'))!
    expect(span.since).toBe('2026-11-19T12:00:00.000Z')
    const list = bars(span)
    expect(list).toHaveLength(24)
    expect(list.at(-1)!.key).toBe('2026-11-20T12:00')
  })

  test('a custom range holds its last day, by the hour when it is short', () => {
    expect(spanOf(range('range=custom&from=2026-11-01&to=2026-11-30'), at('2026-11-20'))).toMatchObject({ since: '2026-11-01', until: '2026-11-30', unit: 'day' })
    const day = spanOf(range('range=custom&from=2026-11-02&to=2026-11-02'), at('2026-11-20'))!
    expect(day.unit).toBe('hour')
    expect(bars(day)).toHaveLength(24)
  })

  test.each(['range=custom', 'range=custom&from=2026-11-02', 'range=custom&from=2026-11-02&to=2026-11-01', 'range=custom&from=2026-02-30&to=2026-03-01'])(
    '%s is not complete', (query) => expect(spanOf(range(query), at('2026-11-20'))).toBeUndefined())
})

describe('when the clocks change', () => {
  test('the day of 25 hours has 24 names, each once', () => {
    const keys = bars({ unit: 'hour', start: parseDate('2026-10-25')!, end: parseDate('2026-10-26')! }).map((b) => b.key)
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys).toHaveLength(24)
  })
  test('the day of 23 hours has no 02:00', () => {
    const keys = bars({ unit: 'hour', start: parseDate('2026-03-29')!, end: parseDate('2026-03-30')! }).map((b) => b.key)
    expect(keys).toHaveLength(23)
    expect(keys).not.toContain('2026-03-29T02:00')
  })
  test('no day is left out or doubled', () => {
    const keys = bars({ unit: 'day', start: parseDate('2026-10-20')!, end: parseDate('2026-10-30')! }).map((b) => b.key)
    expect(keys).toHaveLength(10)
    expect(new Set(keys).size).toBe(10)
  })
})

test('bars without clicks are zero', () => {
  const list = bars({ unit: 'day', start: parseDate('2026-11-01')!, end: parseDate('2026-11-04')! })
  expect(series(list, [{ day: '2026-11-02', clicks: 5 }, { day: '2025-01-01', clicks: 9 }], 'day', 'clicks')).toEqual([0, 5, 0])
})

test('a time goes to a field and back', () => {
  expect(localInput('2026-11-20T12:00:00Z')).toBe('2026-11-20T13:00')
  expect(instant('2026-11-20T13:00')).toBe('2026-11-20T12:00:00Z')
  expect(instant('')).toBeUndefined()
  expect(localInput('nonsense')).toBe('')
})
