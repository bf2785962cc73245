import { expect, test } from 'vitest'
import { adviceFor, RequestFailed, type Problem } from './problem'

const problem: Problem = { type: 'about:blank', title: 'Unprocessable Entity', status: 422, code: 'invalid', detail: 'the link "x" is not valid', errors: [{ field: 'slug', message: 'no' }] }

test('a problem keeps its words, code and faults', () => {
  const failed = new RequestFailed(422, problem)
  expect(failed.message).toBe('The link "x" is not valid')
  expect(failed.code).toBe('invalid')
  expect(failed.faults).toEqual([{ field: 'slug', message: 'no' }])
})

test.each([
  [new RequestFailed(0), 'sluice serve'],
  [new RequestFailed(401), 'Log in'],
  [new RequestFailed(429, problem), 'Wait'],
  [new RequestFailed(500, 'not JSON'), 'log'],
  [new RequestFailed(503), 'sluice doctor'],
  [new TypeError('x is undefined'), 'Load the page again'],
])('%s comes with advice', (error, want) => expect(adviceFor(error)).toContain(want))

test('an answer that is no problem still says something', () => {
  expect(new RequestFailed(502, '<html>').message).toBe('The server answered 502.')
})
