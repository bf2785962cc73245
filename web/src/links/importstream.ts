// An import answers with one JSON document per line while it runs.
import { RequestFailed, unreachable, type Problem } from '../api/problem'
import type { ImportEvent } from '../api/client'

/** Lines cuts a stream of text into lines, wherever its pieces end. */
export class Lines {
  private rest = ''

  /** push returns the lines that are complete now. */
  push(piece: string): string[] {
    const lines = (this.rest + piece).split('\n')
    this.rest = lines.pop() ?? ''
    return lines.filter((l) => l.trim() !== '')
  }

  /** end returns what is left. */
  end(): string[] {
    const last = this.rest
    this.rest = ''
    return last.trim() === '' ? [] : [last]
  }
}

export interface ImportOptions {
  site: string
  update: boolean
  skipBad: boolean
  dryRun: boolean
}

/** importFile sends a file and calls onEvent for each line of the answer. */
export async function importFile(file: Blob, options: ImportOptions, onEvent: (event: ImportEvent) => void, signal: AbortSignal): Promise<void> {
  const params = new URLSearchParams()
  if (options.site) params.set('site', options.site)
  if (options.update) params.set('update', 'true')
  if (options.skipBad) params.set('skip_bad', 'true')
  if (options.dryRun) params.set('dry_run', 'true')
  let response: Response
  try {
    response = await fetch(`/api/v1/links/import?${params}`, {
      method: 'POST', body: file, signal, credentials: 'same-origin', headers: { 'Content-Type': 'application/octet-stream' },
    })
  } catch (cause) {
    if (signal.aborted) throw cause
    throw unreachable(cause)
  }
  if (!response.ok || !response.body) {
    throw new RequestFailed(response.status, (await response.json().catch(() => undefined)) as Problem | undefined)
  }
  let ended = false
  const tell = (line: string) => {
    const event = JSON.parse(line) as ImportEvent
    ended ||= event.report !== undefined || event.error !== undefined
    onEvent(event)
  }
  const lines = new Lines()
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    lines.push(decoder.decode(value, { stream: true })).forEach(tell)
  }
  const rest = [...lines.push(decoder.decode()), ...lines.end()]
  rest.forEach(tell)
  if (!ended) throw new RequestFailed(0)
}
