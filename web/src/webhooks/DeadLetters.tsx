import { useMutation, useQueryClient } from '@tanstack/react-query'
import { api, ask } from '../api/client'
import { plural } from '../format'
import { useNotice } from '../ui/notices'
import { Trouble, Waiting } from '../ui/Trouble'
import { useDeadLetters } from './queries'

export function DeadLetters() {
  const client = useQueryClient()
  const notice = useNotice()
  const list = useDeadLetters()
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const replay = useMutation({
    mutationFn: (id: string) => ask(api.POST('/api/v1/webhooks/dead/{id}/replay', { params: { path: { id } } })),
    onSuccess: (told) => {
      notice(`${plural(told.replayed, 'message')} will be sent again`)
      void client.invalidateQueries({ queryKey: ['webhooks', 'dead'] })
    },
  })
  return (
    <section aria-label="Dead letters">
      <div className="section-head"><h2>Dead letters</h2></div>
      {list.isError && <Trouble what="The dead letters could not be loaded" error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Waiting label="Loading dead letters" />}
      {list.data && items.length === 0 && <p className="hint">None. A message that its receiver never took would wait here.</p>}
      {replay.error && <Trouble what="It cannot be sent again" error={replay.error} />}
      <ul className="cards">
        {items.map((d) => (
          <li key={d.id} className="card">
            <p><strong>{d.event ?? 'Message'}</strong> for {d.target}, tried {plural(d.attempts, 'time')}</p>
            <pre className="raw" tabIndex={0} aria-label="Why the last attempt failed">{d.error}</pre>
            <p><button type="button" disabled={replay.isPending} aria-label={`Send again to ${d.target}`} onClick={() => replay.mutate(d.id)}>Send again</button> <code>{d.id}</code></p>
          </li>
        ))}
      </ul>
      {list.hasNextPage && <p className="more"><button type="button" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>Show more</button></p>}
    </section>
  )
}
