import { useEffect, useState } from 'react'
import { Icon } from './Icon'
import { useNotice } from './notices'

export function CopyButton({ text, label = 'Copy', quiet }: { text: string; label?: string; quiet?: boolean }) {
  const [done, setDone] = useState(false)
  const notice = useNotice()
  useEffect(() => {
    if (!done) return
    const timer = window.setTimeout(() => setDone(false), 1800)
    return () => window.clearTimeout(timer)
  }, [done])
  const copy = async () => {
    const copied = await toClipboard(text)
    setDone(copied)
    notice(copied ? `Copied ${text}` : `Copying is not possible here; the address is ${text}`)
  }
  return (
    <button type="button" className={quiet ? 'quiet icon-only' : ''} onClick={() => void copy()} aria-label={quiet ? `${label} ${text}` : undefined} title={quiet ? label : undefined}>
      <Icon name={done ? 'check' : 'copy'} />
      {!quiet && (done ? 'Copied' : label)}
    </button>
  )
}

/** toClipboard also works where the page came over plain HTTP, which the newer way refuses. */
async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'sr-only'
    document.body.append(area)
    area.select()
    try {
      return document.execCommand('copy')
    } finally {
      area.remove()
    }
  }
}
