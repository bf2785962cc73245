// Clicks and unique visitors over time.
import { useEffect, useRef, useSyncExternalStore } from 'react'
import uPlot from 'uplot'
import { count, plural, short, zone } from '../format'
import type { Unit } from './time'

interface ChartProps {
  at: Date[]
  unit: Unit
  clicks: number[]
  uniques: number[]
}

export function ClicksChart({ at, unit, clicks, uniques }: ChartProps) {
  const holder = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const tip = useRef<HTMLDivElement>(null)
  const colours = useColours()
  const data: uPlot.AlignedData = [at.map((d) => d.getTime() / 1000), clicks, uniques]
  const latest = useRef(data)
  useEffect(() => {
    latest.current = data
    plot.current?.setData(data)
    // The arrays are new at every rendering; their content decides.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [JSON.stringify(data)])

  useEffect(() => {
    const parent = holder.current
    if (!parent) return
    const made = new uPlot(optionsFor(parent, unit, tip.current), latest.current, parent)
    plot.current = made
    const resize = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height: parent.clientHeight }))
    resize.observe(parent)
    return () => {
      resize.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [unit, colours])

  const total = clicks.reduce((a, b) => a + b, 0)
  const best = clicks.indexOf(Math.max(...clicks))
  const summary = total === 0
    ? 'No clicks in this time.'
    : `${plural(total, 'click')}; most, ${count(clicks[best] ?? 0)}, ${unit === 'day' ? 'on' : 'at'} ${label(at[best]!, unit)}.`
  return (
    <figure className="chart">
      <div className="chart-key" aria-hidden="true">
        <span className="key clicks">Clicks</span>
        <span className="key uniques">Unique visitors</span>
        <span className="hint">by {unit}, {zone}</span>
      </div>
      <div className="chart-body" ref={holder} role="img" aria-label={`Clicks over time. ${summary}`}>
        <div className="chart-tip" ref={tip} hidden />
      </div>
      <details className="fold plain">
        <summary>As a table</summary>
        <div className="scroll" role="region" aria-label="Clicks over time, as a table" tabIndex={0}>
          <table className="numbers">
            <thead><tr><th scope="col">{unit === 'day' ? 'Day' : 'Hour'}</th><th scope="col">Clicks</th><th scope="col">Unique visitors</th></tr></thead>
            <tbody>
              {at.map((d, i) => (
                <tr key={d.getTime()}><th scope="row">{label(d, unit)}</th><td>{count(clicks[i] ?? 0)}</td><td>{count(uniques[i] ?? 0)}</td></tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  )
}

function label(at: Date, unit: Unit): string {
  const options: Intl.DateTimeFormatOptions = unit === 'day'
    ? { weekday: 'short', day: 'numeric', month: 'short' }
    : { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }
  return new Intl.DateTimeFormat(navigator.language, options).format(at)
}


function optionsFor(parent: HTMLElement, unit: Unit, tip: HTMLElement | null): uPlot.Options {
  const clicks = colour(parent, 'clicks')
  const uniques = colour(parent, 'uniques')
  const grid = colour(parent, 'grid')
  const text = colour(parent, 'text')
  const step = unit === 'day' ? 86_400 : 3600
  const bars = uPlot.paths.bars?.({ size: [0.72, 44], radius: [0.12, 0] })
  const font = `12px ${getComputedStyle(parent).fontFamily}`
  return {
    width: parent.clientWidth,
    height: parent.clientHeight,
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: {
      x: { range: (_, min, max) => [min - step / 2, max + step / 2] },
      y: { range: (_, __, max) => [0, Math.max(4, Math.ceil(max * 1.08))] },
    },
    series: [
      {},
      // Unique visitors are part of the clicks, so their bars stand within.
      { fill: clicks, width: 0, paths: bars, points: { show: false } },
      { fill: uniques, width: 0, paths: bars, points: { show: false } },
    ],
    axes: [
      {
        stroke: text, font, grid: { show: false }, ticks: { stroke: grid, size: 4 }, size: 34, space: 64,
        incrs: unit === 'day' ? [86400, 86400 * 2, 86400 * 7, 86400 * 14, 86400 * 30] : [3600, 7200, 10800, 21600, 43200, 86400],
        values: (_, splits) => splits.map((s) => axisLabel(new Date(s * 1000), unit)),
      },
      { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false }, size: 46, incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 2.5e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 1e7], values: (_, splits) => splits.map(short) },
    ],
    hooks: {
      setCursor: [(u) => showTip(u, unit, tip)],
    },
  }
}

function axisLabel(at: Date, unit: Unit): string {
  const options: Intl.DateTimeFormatOptions = unit === 'day' ? { day: 'numeric', month: 'short' } : { hour: 'numeric', minute: '2-digit' }
  return new Intl.DateTimeFormat(navigator.language, options).format(at)
}

function showTip(u: uPlot, unit: Unit, tip: HTMLElement | null) {
  const i = u.cursor.idx
  if (!tip) return
  tip.hidden = i === null || i === undefined
  if (tip.hidden || i === null || i === undefined) return
  const lines = [label(new Date(u.data[0][i]! * 1000), unit), plural(u.data[1]![i] ?? 0, 'click'), `${count(u.data[2]![i] ?? 0)} unique`]
  tip.replaceChildren(...lines.map((line, n) => Object.assign(document.createElement(n === 0 ? 'strong' : 'span'), { textContent: line })))
  const left = u.bbox.left / devicePixelRatio + (u.cursor.left ?? 0)
  const room = u.width - tip.offsetWidth - 8
  tip.style.left = `${Math.max(4, Math.min(room, left + 14 > room ? left - tip.offsetWidth - 14 : left + 14))}px`
}

/** colour resolves a custom property, which a canvas cannot read. */
function colour(parent: HTMLElement, name: string): string {
  const probe = document.createElement('span')
  probe.className = `ink-${name}`
  parent.append(probe)
  const value = getComputedStyle(probe).color
  probe.remove()
  return value
}

/** useColours is another value whenever the colours of the page have changed. */
function useColours(): string {
  return useSyncExternalStore(subscribe, () => {
    const dark = window.matchMedia('(prefers-color-scheme: dark)').matches
    return `${document.documentElement.dataset.theme ?? 'system'} ${dark}`
  })
}

function subscribe(changed: () => void) {
  const query = window.matchMedia('(prefers-color-scheme: dark)')
  query.addEventListener('change', changed)
  window.addEventListener('themechange', changed)
  return () => {
    query.removeEventListener('change', changed)
    window.removeEventListener('themechange', changed)
  }
}
