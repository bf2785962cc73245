import { expect, test } from 'vitest'
import { weeksOf } from './queries'

test('the names that a link had count as one link', () => {
  const weeks = weeksOf({ rows: [
    { link: 'old', link_id: 7, day: '2026-11-19', clicks: 2 },
    { link: 'new', link_id: 7, day: '2026-11-20', clicks: 3 },
    { link: 'other', link_id: 8, day: '2026-11-20', clicks: 1 },
  ] }, ['2026-11-19', '2026-11-20'])
  expect(weeks.get(7)).toEqual({ clicks: 5, days: [2, 3] })
  expect(weeks.get(8)).toEqual({ clicks: 1, days: [0, 1] })
  expect(weeks.get(9)).toBeUndefined()
})
