import { expect, test } from 'vitest'
import { safeNext } from './session'

test.each([
  ['/links?q=a&is=link:%2317', '/links?q=a&is=link:%2317'],
  [null, '/'],
  ['', '/'],
  ['//evil.example', '/'],
  ['/\\evil.example', '/'],
  ['https://evil.example', '/'],
  ['javascript:alert(1)', '/'],
  ['/login?next=/login', '/'],
  ['/\n/evil.example', '/'],
])('after logging in, %j leads to %j', (next, want) => expect(safeNext(next)).toBe(want))
