// How numbers, times and names are written.

const locale = () => (typeof navigator === 'undefined' ? 'en' : navigator.language)

/** zone is the browser's time zone, in which all times are shown. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

/** zones are the names of time zones that the browser knows, to choose from. */
export const zones: string[] = 'supportedValuesOf' in Intl ? Intl.supportedValuesOf('timeZone') : []

export function count(n: number): string {
  return new Intl.NumberFormat(locale()).format(n)
}

/** short writes 12,345 as 12.3K; for small places that show the whole number on hover. */
export function short(n: number): string {
  return new Intl.NumberFormat(locale(), { notation: n >= 10_000 ? 'compact' : 'standard', maximumFractionDigits: 1 }).format(n)
}

export function percent(part: number, whole: number): string {
  if (whole <= 0) return '–'
  const share = (100 * part) / whole
  if (share > 0 && share < 0.1) return '<0.1 %'
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: share < 10 ? 1 : 0 }).format(share)} %`
}

export function plural(n: number, one: string, many = one + 's'): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

export function dateTime(at: string | Date): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at))
}

const steps: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['year', 31_536_000], ['month', 2_592_000], ['week', 604_800], ['day', 86_400], ['hour', 3600], ['minute', 60],
]

/** ago writes a past time as people say it. */
export function ago(at: string | Date, now: Date = new Date()): string {
  const seconds = Math.round((new Date(at).getTime() - now.getTime()) / 1000)
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) {
      return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.trunc(seconds / size), unit)
    }
  }
  return seconds <= 0 && seconds > -60 ? 'just now' : 'in a moment'
}

export function duration(seconds: number): string {
  if (seconds < 1) return 'less than a second'
  if (seconds < 90) return plural(Math.round(seconds), 'second')
  if (seconds < 5400) return plural(Math.round(seconds / 60), 'minute')
  if (seconds < 129_600) return plural(Math.round(seconds / 3600), 'hour')
  return plural(Math.round(seconds / 86_400), 'day')
}

export function bytes(n: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let at = 0
  while (n >= 1000 && at < units.length - 1) {
    n /= 1000
    at++
  }
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: n < 10 && at > 0 ? 1 : 0 }).format(n)} ${units[at]}`
}

let countries: Intl.DisplayNames | undefined

export function country(code: string): string {
  if (!/^[A-Z]{2}$/.test(code)) return code
  try {
    countries ??= new Intl.DisplayNames(['en'], { type: 'region' })
    return countries.of(code) ?? code
  } catch {
    return code
  }
}

/** host is the part of a URL that says where it leads, or the whole text. */
export function host(url: string): string {
  return /^https?:\/\/(?:www\.)?([^/?#]+)/i.exec(url)?.[1] ?? url
}

/** withoutScheme is a URL as people read it. */
export function withoutScheme(url: string): string {
  return url.replace(/^https?:\/\//i, '').replace(/\/$/, '')
}
