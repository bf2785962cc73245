import { expect, test } from 'vitest'
import type { Link } from '../api/client'
import { capOf, draftOf, emptyDraft, inputOf, newCondition, newDestination, newRule, perChosen, shares } from './draft'

const link: Link = {
  id: 17, site: 'blog', slug: 'kettle', status: 'active', code: 307, version: 3, created_at: '2026-11-01T00:00:00Z', updated_at: '2026-11-02T00:00:00Z',
  short_url: 'https://blog.example/go/kettle',
  destinations: [{ id: 'a', url: 'https://shop.example/a', weight: 3 }, { id: 'b', url: 'https://shop.example/b', weight: 1, down: true }],
  rules: [{
    id: 'germany', destinations: [{ id: 'a', url: 'https://shop.example/de', weight: 1 }],
    when: [
      { on: 'country', in: ['DE', 'AT'] }, { on: 'referrer', not_in: ['(none)'] }, { on: 'query', name: 'utm_source', in: ['*'] },
      { on: 'time', zone: 'Europe/Berlin', days: ['mon', 'tue'], from: '09:00', to: '24:00' }, { on: 'date', after: '2026-12-01T00:00:00Z' },
    ],
  }],
  starts_at: '2026-11-01T08:00:00.123Z', fallback: 'https://blog.example/', cap: { clicks: 20_000, per: 'month', zone: 'Europe/Berlin' }, cap_reached: { at: '2026-11-02T10:00:00Z', clicks: 20_004 }, program: 'acme', partner: 'mia',
  query: { mode: 'only', names: ['utm_source', 'gclid'] }, deep_link: true, sub_id: { param: 'clickref', value: '{click_id}' }, block_bots: true,
  tags: ['kitchen', 'gifts'], page: '/reviews', note: 'two\nlines',
}

test('a link that was opened and saved is the same link', () => {
  const { id, version, created_at, updated_at, short_url, cap_reached, ...written } = link
  const saved = inputOf(draftOf(link), link)
  // A single destination's weight is the server's to say.
  expect(saved.rules![0]!.destinations[0]).toEqual({ id: 'a', url: 'https://shop.example/de' })
  expect({ ...saved, rules: undefined }).toEqual({ ...written, rules: undefined })
  expect(saved.rules![0]!.when).toEqual(written.rules![0]!.when)
  expect([id, version, created_at, updated_at, short_url, cap_reached].every((v) => v !== undefined)).toBe(true)
})

test('a field that the form does not know is kept', () => {
  const future = { ...link, experiment: 'x1' } as Link
  expect(inputOf(draftOf(future), future)).toHaveProperty('experiment', 'x1')
})

test('a simple link is a short document', () => {
  const draft = emptyDraft()
  draft.destinations[0]!.url = ' https://shop.example/kettle '
  draft.slug = 'kettle'
  expect(inputOf(draft)).toEqual({ slug: 'kettle', status: 'active', code: 302, destinations: [{ url: 'https://shop.example/kettle' }] })
})

test('what is emptied is left out, and so removed', () => {
  const draft = { ...draftOf(link), tags: ' , ', note: '', startsAt: '', program: '', capPer: 'none' as const, queryMode: 'drop' as const, subMode: 'program' as const, rules: [] }
  const saved = inputOf(draft, link)
  for (const name of ['tags', 'note', 'starts_at', 'program', 'partner', 'cap', 'query', 'sub_id', 'rules']) expect(saved).not.toHaveProperty(name)
})

test('a schedule that was changed is sent as an instant', () => {
  const saved = inputOf({ ...draftOf(link), startsAt: '2026-12-24T18:00' }, link)
  expect(new Date(saved.starts_at!).getTime()).toBe(new Date('2026-12-24T18:00').getTime())
})

test('conditions say only what belongs to them', () => {
  const draft = emptyDraft()
  const rule = newRule()
  rule.when = [{ ...newCondition('country'), values: 'de, at', not: true, name: 'left over' }, { ...newCondition('query'), name: 'q', values: '*' }, newCondition('device')]
  draft.rules = [rule]
  expect(inputOf(draft).rules![0]!.when).toEqual([{ on: 'country', not_in: ['de', 'at'] }, { on: 'query', name: 'q', in: ['*'] }, { on: 'device' }])
})

test('a weight that is no number is left for the server to refuse', () => {
  const draft = emptyDraft()
  draft.destinations = [newDestination('many'), newDestination('0.5'), newDestination('')]
  expect(inputOf(draft).destinations!.map((d) => d.weight)).toEqual([-1, -1, 0])
})

test.each([
  ['1000', 1000], [' 20,000 ', 20_000], ['20 000', 20_000], ['1.000.000', 1_000_000], ['', 0], ['-5', -5],
  ['2.5', '2.5'], ['many', 'many'], ['1,00', '1,00'], ['99999999999999999999', '99999999999999999999'],
])('a cap of %j clicks is sent as %j', (capClicks, clicks) => {
  expect(capOf({ capPer: 'day', capClicks, capZone: ' ' })).toEqual({ clicks, per: 'day' })
})

test('a new cap begins its days where the person is, and one that is there keeps its zone', () => {
  expect(perChosen({ capPer: 'none', capZone: '' }, 'day', 'Europe/Berlin')).toEqual({ capPer: 'day', capZone: 'Europe/Berlin' })
  expect(perChosen({ capPer: 'day', capZone: '' }, 'month', 'Europe/Berlin')).toEqual({ capPer: 'month', capZone: '' })
  expect(perChosen({ capPer: 'day', capZone: 'Asia/Tokyo' }, 'hour', 'Europe/Berlin')).toEqual({ capPer: 'hour', capZone: 'Asia/Tokyo' })
  expect(perChosen({ capPer: 'day', capZone: 'Asia/Tokyo' }, 'total', 'Europe/Berlin')).toEqual({ capPer: 'total', capZone: '' })
})

test('shares leave out what is down', () => {
  expect(shares([newDestination('3'), newDestination('1'), { ...newDestination('9'), down: true }])).toEqual([0.75, 0.25, 0])
  expect(shares([newDestination('0')])).toEqual([0])
})
