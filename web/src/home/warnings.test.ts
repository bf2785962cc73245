import { expect, test } from 'vitest'
import type { Status } from '../api/client'
import { lateAfter, warningsOf } from './warnings'

const calm: Status = { version: '1', started_at: '2026-11-20T00:00:00Z', uptime_seconds: 1, links: 1, table_seq: 1, catalog_seq: 1, geo: [], alarms: [], warnings: [] }
const pipeline = (seconds: number) => ({ records: 10, bytes: 100, seconds })

test('a calm server has no warnings', () => {
  expect(warningsOf({ ...calm, journal: { segments: 1, bytes: 1, dropped: 0 }, pipeline: pipeline(lateAfter) })).toEqual([])
})

test('clicks that were lost come first', () => {
  const list = warningsOf({ ...calm, warnings: [{ what: 'the disk is almost full' }], journal: { segments: 1, bytes: 1, dropped: 3 }, pipeline: pipeline(lateAfter + 1) })
  expect(list.map((w) => w.what.split(' ').slice(0, 2).join(' '))).toEqual(['3 clicks', 'the disk', 'The reports'])
})

test('what the server says itself is not said twice', () => {
  const list = warningsOf({ ...calm, warnings: [{ what: '3 clicks were dropped' }, { what: 'the reports are behind' }], journal: { segments: 1, bytes: 1, dropped: 3 }, pipeline: pipeline(100) })
  expect(list).toHaveLength(2)
})

test('alarms come before warnings', () => {
  const alarm = { name: 'journal_space', what: 'the journal has no space', since: '2026-11-20T00:00:00Z', count: 3, remedy: 'make room' }
  expect(warningsOf({ ...calm, alarms: [alarm], warnings: [{ what: 'the disk is almost full' }] })).toEqual([
    { what: 'the journal has no space', remedy: 'make room' }, { what: 'the disk is almost full' },
  ])
})
