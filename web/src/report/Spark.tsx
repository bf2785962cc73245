// A row of small bars, one for each day.
import { dateText, dayOf } from './time'

export function Spark({ days, now }: { days: number[]; now: Date }) {
  const top = Math.max(1, ...days)
  const title = days.map((n, i) => `${dateText(dayOf(now, i + 1 - days.length))}: ${n}`).join('\n')
  return (
    <svg className="spark" viewBox={`0 0 ${days.length * 6 - 2} 20`} preserveAspectRatio="none" aria-hidden="true">
      <title>{title}</title>
      {days.map((n, i) => {
        const height = n === 0 ? 1.5 : 2.5 + (17.5 * n) / top
        return <rect key={i} className={n === 0 ? 'none' : ''} x={i * 6} y={20 - height} width="4" height={height} rx="1" />
      })}
    </svg>
  )
}
