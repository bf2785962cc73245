import { useQueryClient } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import type { BadLine, ImportReport } from '../api/client'
import { RequestFailed } from '../api/problem'
import { bytes, count, plural } from '../format'
import { Dialog } from '../ui/Dialog'
import { CheckField, Field, SelectField } from '../ui/Field'
import { Trouble } from '../ui/Trouble'
import { importFile } from './importstream'
import { useSites } from './queries'

interface Run {
  dry: boolean
  busy: boolean
  progress: number
  bad: BadLine[]
  report?: ImportReport
  error?: unknown
}

/** keptMax bounds how many bad lines are kept for the file that can be corrected. */
const keptMax = 10_000
const listed = 50

export function ImportDialog({ onClose }: { onClose: () => void }) {
  const sites = useSites().data ?? []
  const client = useQueryClient()
  const [file, setFile] = useState<File>()
  const [site, setSite] = useState('')
  const [update, setUpdate] = useState(false)
  const [skipBad, setSkipBad] = useState(false)
  const [run, setRun] = useState<Run>()
  const stop = useRef<AbortController>(null)

  const start = async (dry: boolean) => {
    if (!file) return
    const control = new AbortController()
    stop.current = control
    let state: Run = { dry, busy: true, progress: 0, bad: [] }
    const show = (change: Partial<Run>) => {
      state = { ...state, ...change }
      if (!control.signal.aborted) setRun(state)
    }
    show({})
    try {
      await importFile(file, { site: site || sites[0]?.id || '', update, skipBad, dryRun: dry }, (event) => {
        if (event.progress !== undefined) show({ progress: event.progress })
        if (event.bad && state.bad.length < keptMax) state.bad.push(event.bad)
        if (event.report) show({ report: event.report })
        if (event.error) show({ error: new RequestFailed(event.error.status, event.error) })
      }, control.signal)
    } catch (error) {
      show({ error })
    }
    show({ busy: false })
    if (!dry) void client.invalidateQueries({ queryKey: ['links'] })
  }
  const close = () => {
    stop.current?.abort()
    onClose()
  }
  const done = run?.report?.applied && !run.dry
  return (
    <Dialog title="Import links" onClose={close} wide>
      {!done && (
        <form
          className="stack"
          onSubmit={(e) => {
            e.preventDefault()
            void start(false)
          }}
        >
          <Field label="File" hint={<>CSV with at least <code>slug,url</code>, JSON lines, or an nginx <code>map</code>; may be gzipped.</>}>
            {(wired) => <input {...wired} type="file" required accept=".csv,.jsonl,.ndjson,.json,.map,.conf,.txt,.gz" onChange={(e) => {
              setFile(e.target.files?.[0])
              setRun(undefined)
            }} />}
          </Field>
          {sites.length > 1 && (
            <SelectField label="Site of links that name none" value={site || sites[0]?.id} onChange={(e) => setSite(e.target.value)}>
              {sites.map((s) => <option key={s.id} value={s.id}>{s.name || s.id}</option>)}
            </SelectField>
          )}
          <CheckField label="Replace links that exist" checked={update} onChange={(e) => setUpdate(e.target.checked)} />
          <CheckField label="Leave out lines with mistakes" hint="Otherwise one mistake and nothing is imported." checked={skipBad} onChange={(e) => setSkipBad(e.target.checked)} />
          <div className="actions">
            <button type="submit" className="primary" disabled={!file || run?.busy}>Import</button>
            <button type="button" disabled={!file || run?.busy} onClick={() => void start(true)}>Only check</button>
            {file && <span className="hint">{bytes(file.size)}</span>}
          </div>
        </form>
      )}
      <div aria-live="polite" className="stack">
        {run?.busy && <p><progress aria-label="Importing" /> {run.progress > 0 ? `${count(run.progress)} read` : 'Sending …'}</p>}
        {run?.error !== undefined && <Trouble error={run.error} />}
        {run?.report && <Outcome report={run.report} dry={run.dry} />}
        {run && run.bad.length > 0 && !run.busy && <BadLines lines={run.bad} report={run.report} name={file?.name ?? 'links.csv'} />}
      </div>
      {done && <div className="actions"><button type="button" className="primary" onClick={onClose} autoFocus>Done</button></div>}
    </Dialog>
  )
}

function Outcome({ report, dry }: { report: ImportReport; dry: boolean }) {
  const counts = [
    `${count(report.created)} new`, report.updated > 0 && `${count(report.updated)} replaced`,
    report.unchanged > 0 && `${count(report.unchanged)} unchanged`, report.bad > 0 && `${count(report.bad)} with mistakes`,
  ].filter(Boolean).join(', ')
  const head = report.applied && !dry
    ? `Imported: ${counts}.`
    : dry ? `Checked, nothing changed. The file has ${plural(report.read, 'link')}: ${counts}.` : `Nothing was imported: ${counts}. Mend the file, or leave out the lines with mistakes.`
  return (
    <div className={report.bad > 0 ? 'note warn' : 'note good'}>
      <p><strong>{head}</strong></p>
      {report.notes?.map((n) => <p key={n} className="hint">{n}</p>)}
    </div>
  )
}

function BadLines({ lines, report, name }: { lines: BadLine[]; report?: ImportReport; name: string }) {
  const download = () => {
    const text = (report?.head ?? '') + lines.map((l) => l.text.replace(/\n?$/, '\n')).join('') + (report?.tail ?? '')
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
    const anchor = Object.assign(document.createElement('a'), { href: url, download: `bad-${name.replace(/\.gz$/, '')}` })
    anchor.click()
    URL.revokeObjectURL(url)
  }
  return (
    <>
      <ul className="bad-lines" tabIndex={0} aria-label="Lines with mistakes">
        {lines.slice(0, listed).map((l, i) => (
          <li key={i}><strong>Line {count(l.line)}:</strong> {l.reason}<code>{l.text.slice(0, 160)}</code></li>
        ))}
      </ul>
      {lines.length > listed && <p className="hint">and {count(lines.length - listed)} more</p>}
      <p><button type="button" onClick={download}>Download these lines to mend them</button></p>
    </>
  )
}
