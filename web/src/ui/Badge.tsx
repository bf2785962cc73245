import type { LinkStatus } from '../api/client'

export function StatusBadge({ status }: { status: LinkStatus | 'capped' }) {
  return <span className={`badge ${status}`}>{status}</span>
}
