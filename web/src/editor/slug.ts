// A name for a link, made from where it leads.

const dull = new Set([
  'dp', 'gp', 'product', 'products', 'p', 'item', 'items', 'itm', 'index', 'en', 'de', 'us', 'uk', 'shop', 'store',
  'ref', 'html', 'htm', 'php', 'aspx', 'www', 'buy', 'c', 'cat', 'category', 'collections', 'go', 'click', 'clk',
])

/** suggestSlug returns "" when the URL says nothing that would make a good name. */
export function suggestSlug(url: string): string {
  const parsed = parse(url)
  if (!parsed) return ''
  const inner = deepTarget(parsed)
  const from = inner ?? parsed
  const parts = from.pathname.split('/').map(readable).filter((part) => part !== '' && !dull.has(part) && !isCode(part))
  const best = parts.toSorted((a, b) => score(b) - score(a))[0]
  return shorten(best ?? hostName(from.hostname))
}

function parse(url: string): URL | undefined {
  const text = url.trim()
  if (!text) return undefined
  try {
    const parsed = new URL(/^[a-z][a-z0-9+.-]*:/i.test(text) ? text : `https://${text}`)
    return /^https?:$/.test(parsed.protocol) && parsed.hostname.includes('.') ? parsed : undefined
  } catch {
    return undefined
  }
}

/** merchantPage is the page within a network's click URL, or "" when there is none. */
export function merchantPage(url: string): string {
  const parsed = parse(url)
  return (parsed && deepTarget(parsed)?.href) ?? ''
}

function deepTarget(url: URL): URL | undefined {
  const inPath = /(?:destination:|\/)(https?%3a%2f%2f[^/?#]+)/i.exec(url.pathname)?.[1]
  if (inPath) return parse(readURI(inPath))
  for (const name of ['ued', 'url', 'u', 'murl', 'p', 'dest', 'destination', 'to', 'r']) {
    const value = url.searchParams.get(name)
    if (value && /^https?:\/\//i.test(value)) return parse(value)
  }
  return undefined
}

/** readURI leaves a broken escape as it is. */
function readURI(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function readable(segment: string): string {
  return readURI(segment)
    .normalize('NFKD').replace(/\p{M}+/gu, '').toLowerCase()
    .replace(/\{[^}]*\}/g, '').replace(/\.(html?|php|aspx?)$/, '')
    .replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '')
}

/** isCode recognises article numbers and ids, which nobody can remember. */
function isCode(part: string): boolean {
  if (part.includes('-')) return part.split('-').every(isCode)
  const digits = part.replace(/\D/g, '').length
  return digits === part.length || digits > 0 && part.length >= 7 && digits * 4 >= part.length || /^b0[a-z0-9]{8}$/.test(part)
}

/** score prefers words with several parts, and later ones by the stable sort's reverse. */
function score(part: string): number {
  const words = part.split('-').filter((w) => w.length > 1 && !isCode(w)).length
  return Math.min(words, 4) * 10 + Math.min(part.length, 24)
}

function hostName(hostname: string): string {
  const labels = hostname.replace(/^www\./, '').split('.')
  return readable(labels.length > 1 ? labels.at(-2)! : labels[0]!)
}

const lengthMax = 40

function shorten(name: string): string {
  if (name.length <= lengthMax) return name
  const cut = name.slice(0, lengthMax + 1)
  const end = cut.lastIndexOf('-')
  return (end > 8 ? cut.slice(0, end) : cut.slice(0, lengthMax)).replace(/-+$/, '')
}
