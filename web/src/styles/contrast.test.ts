// The colours are chosen so that everybody can read them (WCAG 2.2, AA).
import { describe, expect, test } from 'vitest'
import css from './base.css?raw'

type RGB = [number, number, number]

function colours(theme: 0 | 1): Map<string, RGB> {
  const out = new Map<string, RGB>()
  for (const [, name = '', light = '', dark] of css.matchAll(/--([\w-]+): (?:light-dark\()?(#[0-9a-f]{6})(?:, (#[0-9a-f]{6})\))?;/g)) {
    out.set(name, rgb(theme === 1 && dark ? dark : light))
  }
  return out
}

function rgb(hex: string): RGB {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as RGB
}

function luminance(colour: RGB): number {
  const [r, g, b] = colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)) as RGB
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(a: RGB, b: RGB): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

const texts: [text: string, grounds: string[]][] = [
  ['text', ['ground', 'surface', 'surface-2', 'bar', 'good-soft']],
  ['muted', ['ground', 'surface', 'surface-2', 'bar']],
  ['accent', ['ground', 'surface', 'surface-2', 'accent-soft']],
  ['danger', ['surface', 'surface-2', 'danger-soft']],
  ['warn', ['warn-soft']],
  ['on-primary', ['primary', 'primary-hover', 'danger-ground']],
]
// Borders of what is typed into, and bars, need less.
const shapes: [shape: string, grounds: string[]][] = [
  ['line-strong', ['surface', 'ground']],
  ['chart-uniques', ['surface', 'surface-2']],
  ['warn', ['surface-2']],
]

describe.each([['light', 0], ['dark', 1]] as const)('in %s', (_, theme) => {
  const all = colours(theme)
  const check = (name: string, ground: string, least: number) => {
    const [a, b] = [all.get(name), all.get(ground)]
    expect(a, `--${name} is defined`).toBeDefined()
    expect(b, `--${ground} is defined`).toBeDefined()
    expect(contrast(a!, b!)).toBeGreaterThanOrEqual(least)
  }
  test.each(texts.flatMap(([name, grounds]) => grounds.map((g) => [name, g])))('%s on %s can be read', (name, ground) => check(name!, ground!, 4.5))
  test.each(shapes.flatMap(([name, grounds]) => grounds.map((g) => [name, g])))('%s on %s can be seen', (name, ground) => check(name!, ground!, 3))
})
