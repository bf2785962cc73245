// Files that the server makes. They are fetched first, so that a refusal is read here and not saved as a file.
import { ask } from '../api/client'

/** nameIn is the file name that the server proposes, or the other one. */
export function nameIn(disposition: string | null, other: string): string {
  const name = /filename="?([^";]+)"?/.exec(disposition ?? '')?.[1] ?? ''
  return /^[\w .-]{1,120}$/.test(name) ? name : other
}

/** download saves the file and returns how many payouts the server left out of it. */
export async function download(call: Promise<{ data?: Blob; error?: unknown; response: Response }>, name: string): Promise<number> {
  let proposed: string | null = null
  let skipped = 0
  const blob = await ask(call.then((answer) => {
    proposed = answer.response.headers.get('Content-Disposition')
    skipped = Number(answer.response.headers.get('Sluice-Skipped')) || 0
    return answer
  }))
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = nameIn(proposed, name)
  link.click()
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000)
  return skipped
}
