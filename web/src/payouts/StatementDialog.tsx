import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../api/client'
import { dateFault } from '../money/words'
import { Confirm } from '../ui/Dialog'
import { TextField } from '../ui/Field'
import { Trouble } from '../ui/Trouble'
import { download } from './download'

export function StatementDialog({ program, partner, onClose }: { program: string; partner: string; onClose: () => void }) {
  const [since, setSince] = useState('')
  const [until, setUntil] = useState('')
  const [fault, setFault] = useState('')
  const fetching = useMutation({
    mutationFn: () => download(
      api.GET('/api/v1/statements', { params: { query: { program, since, ...(partner && { partner }), ...(until && { until }) } }, parseAs: 'blob' }),
      `statement-${program}-${partner || 'ours'}.csv`,
    ),
    onSuccess: onClose,
  })
  const confirm = () => {
    const found = dateFault(since)
    setFault(found)
    if (!found) fetching.mutate()
  }
  return (
    <Confirm title={`Statement of ${partner || 'ours'}`} action="Download" busy={fetching.isPending} onConfirm={confirm} onClose={onClose}>
      <p>Every posting to the balance in these days (UTC), as a CSV file.</p>
      <TextField type="date" label="From" value={since} faults={fault ? [fault] : []} onChange={(e) => setSince(e.target.value)} />
      <TextField type="date" label="To" hint="Part of it. Empty: until now." value={until} onChange={(e) => setUntil(e.target.value)} />
      {fetching.error && <Trouble error={fetching.error} />}
    </Confirm>
  )
}
