import { expect, test } from 'vitest'
import { isFiltered, readFilters, toQuery, writeFilters } from './filters'

const read = (query: string) => readFilters(new URLSearchParams(query))

test('an address is read and written back', () => {
  const filters = read('q=kettle&site=blog&status=paused')
  expect(filters).toEqual({ q: 'kettle', site: 'blog', tag: '', program: '', status: 'paused' })
  expect(writeFilters(new URLSearchParams(), filters).toString()).toBe('q=kettle&site=blog&status=paused')
})

test('what the API would refuse is not asked for', () => {
  expect(read('status=gone').status).toBe('')
  expect(read(`q=${'x'.repeat(500)}`).q).toHaveLength(200)
  expect(toQuery(read('q=%20%20&tag=a'))).toEqual({ tag: 'a' })
})

test('clearing a filter takes it out and leaves the rest', () => {
  const params = writeFilters(new URLSearchParams('q=a&tag=b&other=1'), { q: '' })
  expect(params.toString()).toBe('tag=b&other=1')
})

test('an address without filters filters nothing', () => {
  expect(isFiltered(read(''))).toBe(false)
  expect(isFiltered(read('q=a'))).toBe(true)
})
