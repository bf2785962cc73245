import type { LinkStatus } from '../api/client'

export function StatusBadge({ status }: { status: LinkStatus }) {
  return <span className={`badge ${status}`}>{status}</span>
}
