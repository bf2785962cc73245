// Who changed what of a link, and when.
import { useInfiniteQuery } from '@tanstack/react-query'
import { api, ask, type Change, type Link } from '../api/client'
import { RequestFailed } from '../api/problem'
import { differences } from '../editor/merge'
import { ago, dateTime } from '../format'
import { Trouble, Waiting } from '../ui/Trouble'

const pageSize = 20
const words: Record<Change['action'], string> = { create: 'added the link', update: 'changed it', delete: 'removed it' }

/** didText says what was done; of the cap itself, which does one thing only, what came of it. */
function didText({ actor, action, before, after }: Change): string {
  const [closed, opened] = [after, before].map((d) => (d as Partial<Link> | undefined)?.cap_reached !== undefined)
  if (actor !== 'cap' || closed === opened) return words[action]
  return closed ? 'closed it' : 'opened it'
}

export function History({ id, version }: { id: number; version: number }) {
  const changes = useInfiniteQuery({
    queryKey: ['changes', id, version],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      ask(api.GET('/api/v1/links/{id}/changes', { params: { path: { id }, query: { limit: pageSize, ...(pageParam && { before: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next,
  })
  if (changes.error instanceof RequestFailed && changes.error.status === 404) return null
  const list = changes.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <section className="history" aria-label="History">
      <h2>History</h2>
      {changes.isError && <Trouble error={changes.error} retry={() => void changes.refetch()} />}
      {changes.isPending && <Waiting lines={2} />}
      <ol>
        {list.map((change) => (
          <li key={change.seq}>
            <p>
              <strong>{change.actor}</strong> {didText(change)}{' '}
              <time dateTime={change.at} title={dateTime(change.at)}>{ago(change.at)}</time>
            </p>
            {change.action === 'update' && <Differences change={change} />}
          </li>
        ))}
      </ol>
      {changes.hasNextPage && <button type="button" disabled={changes.isFetchingNextPage} onClick={() => void changes.fetchNextPage()}>Show older</button>}
    </section>
  )
}

function Differences({ change }: { change: Change }) {
  const list = differences(change.before as object | undefined, change.after as object | undefined)
  if (list.length === 0) return null
  return (
    <dl className="diff">
      {list.map((d) => (
        <div key={d.name}>
          <dt>{d.label}</dt>
          <dd><del>{d.before}</del> <span aria-hidden="true">→</span> <ins>{d.after}</ins></dd>
        </div>
      ))}
    </dl>
  )
}
