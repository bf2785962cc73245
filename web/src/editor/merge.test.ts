import { expect, test } from 'vitest'
import type { Link } from '../api/client'
import { draftOf, inputOf } from './draft'
import { differences, isState, merge, ruleText } from './merge'

const base: Link = {
  id: 1, site: 'blog', slug: 'kettle', status: 'active', code: 302, version: 1, created_at: '2026-11-01T00:00:00Z', updated_at: '2026-11-01T00:00:00Z',
  destinations: [{ id: 'a', url: 'https://shop.example/a', weight: 1 }], tags: ['kitchen'], note: 'old',
}
const mine = (change: object) => inputOf({ ...draftOf(base), ...change }, base)

test('opening a link changes nothing', () => {
  expect(differences(base, mine({}))).toEqual([])
})

test('changes to different fields go together', () => {
  const both = merge(base, mine({ note: 'mine' }), { ...base, version: 2, tags: ['gifts'] })
  expect(both.clashes).toEqual([])
  expect(both.theirs.map((d) => d.name)).toEqual(['tags'])
  expect(both.resolve(() => 'mine')).toMatchObject({ note: 'mine', tags: ['gifts'], slug: 'kettle' })
})

test('changes to the same field are a choice', () => {
  const both = merge(base, mine({ note: 'mine' }), { ...base, version: 2, note: 'theirs', tags: [] })
  expect(both.clashes).toEqual([{ name: 'note', label: 'Note', mine: 'mine', theirs: 'theirs' }])
  expect(both.resolve(() => 'mine').note).toBe('mine')
  expect(both.resolve(() => 'theirs').note).toBe('theirs')
  expect(both.theirs.map((d) => d.name)).toEqual(['tags'])
})

const cap = { clicks: 1000, per: 'day' as const }
const cap_reached = { at: '2026-11-27T10:00:00Z', clicks: 1003 }

test('a cap is kept through somebody else’s change, and two caps are a choice', () => {
  const capped = { ...base, cap }
  const note = inputOf({ ...draftOf(capped), note: 'mine' }, capped)
  expect(merge(capped, note, { ...capped, version: 2, page: '/p' }).resolve(() => 'mine')).toMatchObject({ cap, note: 'mine', page: '/p' })
  const raised = inputOf({ ...draftOf(capped), capClicks: '2,000' }, capped)
  const both = merge(capped, raised, { ...capped, version: 2, cap: undefined })
  expect(both.clashes).toEqual([{ name: 'cap', label: 'Cap', mine: '2,000 clicks a day (UTC)', theirs: 'none' }])
  expect(both.resolve(() => 'theirs')).not.toHaveProperty('cap')
})

test('what the cap itself does is shown, is nobody’s to decide, and is not sent', () => {
  const capped = { ...base, cap }
  const closed = { ...capped, version: 2, cap_reached }
  const note = inputOf({ ...draftOf(capped), note: 'mine' }, capped)
  const both = merge(capped, note, closed)
  expect(both.theirs).toEqual([{ name: 'cap_reached', label: 'Closed by its cap', before: 'none', after: 'after 1,003 clicks' }])
  expect(isState(both)).toBe(true)
  expect(isState(merge(capped, note, { ...closed, page: '/p' }))).toBe(false)
  expect(isState(merge(capped, note, { ...closed, note: 'theirs' }))).toBe(false)
  expect(both.resolve(() => 'mine')).not.toHaveProperty('cap_reached')
  expect(merge(closed, inputOf(draftOf(closed), closed), capped).clashes).toEqual([])
})

test('the zone of a total means nothing', () => {
  expect(differences({ cap: { clicks: 5, per: 'total', zone: 'Europe/Berlin' } }, { cap: { clicks: 5, per: 'total' } })).toEqual([])
  expect(differences({ cap: { clicks: 5, per: 'day', zone: 'Europe/Berlin' } }, { cap: { clicks: 5, per: 'day' } })).toHaveLength(1)
})

test('the same change by both is no clash', () => {
  const both = merge(base, mine({ note: 'same' }), { ...base, version: 2, note: 'same' })
  expect(both.clashes).toEqual([])
  expect(both.resolve(() => 'mine').note).toBe('same')
})

test('what the other removed stays removed, and what I removed too', () => {
  const both = merge(base, mine({ tags: '' }), { ...base, version: 2, note: undefined })
  const out = both.resolve(() => 'mine')
  expect(out).not.toHaveProperty('tags')
  expect(out).not.toHaveProperty('note')
})

test('a default that is written out is no difference', () => {
  expect(differences({ slug: 'a', query: { mode: 'drop' }, code: 302, deep_link: false, tags: [] }, { slug: 'a' })).toEqual([])
})

test('a rule in one line', () => {
  expect(ruleText({ when: [{ on: 'country', in: ['DE'] }, { on: 'query', name: 'x', not_in: ['1'] }], destinations: [{ url: 'https://a.example' }] }))
    .toBe('country is DE and ?x is not 1 → https://a.example')
  expect(ruleText({ destinations: [{ url: 'https://a.example', weight: 1 }, { url: 'https://b.example', weight: 0 }] }))
    .toBe('every visit → https://a.example · weight 1, https://b.example · weight 0')
})
