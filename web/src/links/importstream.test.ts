import { expect, test } from 'vitest'
import { Lines } from './importstream'

test('lines are found wherever the stream is cut', () => {
  const text = '{"progress":1}\n{"bad":{"line":2,"text":"ü\\n","reason":"x"}}\n\n{"report":{}}'
  for (let size = 1; size <= text.length; size++) {
    const lines = new Lines()
    const found: string[] = []
    for (let at = 0; at < text.length; at += size) found.push(...lines.push(text.slice(at, at + size)))
    found.push(...lines.end())
    expect(found.map((l) => Object.keys(JSON.parse(l) as object)[0])).toEqual(['progress', 'bad', 'report'])
  }
})
