import { expect, test } from 'vitest'
import type { Link } from '../api/client'
import { draftOf, inputOf } from './draft'
import { differences, merge, ruleText } from './merge'

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
