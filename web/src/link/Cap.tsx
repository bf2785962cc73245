// How much of a link's cap is used, and since when and until when it closes the link.
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { Link as Anchor } from 'react-router'
import { api, ask, type Link } from '../api/client'
import { RequestFailed } from '../api/problem'
import { count, dateTime } from '../format'
import { capText, leftText, opensText, type CapReached, type CapUse } from '../links/cap'
import { pace } from '../report/queries'
import { Icon } from '../ui/Icon'
import { Trouble, Waiting } from '../ui/Trouble'

function useCapUse(link: Link) {
  const client = useQueryClient()
  const use = useQuery({
    queryKey: ['cap', link.id, link.version],
    queryFn: async ({ signal }) => {
      const began = performance.now()
      const answer = await ask(api.GET('/api/v1/links/{id}/cap', { params: { path: { id: link.id } }, signal }))
      return { ...answer, took: performance.now() - began }
    },
    placeholderData: (old, query) => (query?.queryKey[1] === link.id ? old : undefined),
    refetchInterval: (query) => pace(query.state.data?.took),
  })
  // The link that the page shows is from before its cap closed or opened it, or was removed.
  const { id } = link
  const there = link.cap_reached?.at
  const now = use.isSuccess && !use.isPlaceholderData ? use.data.reached?.at : there
  const gone = use.error instanceof RequestFailed && use.error.status === 404
  const { dataUpdatedAt } = use
  useEffect(() => {
    if (now === there && !gone) return
    void client.invalidateQueries({ queryKey: ['link', id] })
    void client.invalidateQueries({ queryKey: ['links'] })
  }, [client, id, now, there, gone, dataUpdatedAt])
  return use
}

export function Cap({ link }: { link: Link }) {
  const use = useCapUse(link)
  const cap = use.data?.cap ?? link.cap!
  const reached = use.data ? use.data.reached : link.cap_reached
  return (
    <section className="card stack tight cap" aria-label="Cap of clicks">
      <h2 className="small-head">At most {capText(cap)}</h2>
      <div aria-live="polite">{reached && <Closed link={link} reached={reached} />}</div>
      {use.data && <Used use={use.data} />}
      {use.isPending && <Waiting lines={2} label="Counting clicks" />}
      {use.isError && <Trouble what="How much of it is used is not known" error={use.error} retry={() => void use.refetch()} />}
    </section>
  )
}

function Closed({ link, reached }: { link: Link; reached: CapReached }) {
  return (
    <div className="note warn with-icon">
      <Icon name="warning" />
      <div>
        <p><strong>Closed since {dateTime(reached.at)}.</strong> {opensText(reached)}</p>
        <p className="hint">
          Visitors get {link.fallback ? <>its fallback, <code>{link.fallback}</code></> : 'the site’s default'}.
          {link.status !== 'active' && ` It is ${link.status} besides, and stays so.`}
          {' '}<Anchor to={`/links/${link.id}/edit`}>Change the cap</Anchor>
        </p>
      </div>
    </div>
  )
}

function Used({ use }: { use: CapUse }) {
  const most = use.cap.clicks ?? 0
  const text = `${count(use.clicks)} of ${count(most)} clicks used`
  return (
    <>
      <div className={use.left === 0 ? 'meter full' : 'meter'} role="meter" aria-label="Clicks used" aria-valuemin={0} aria-valuemax={most} aria-valuenow={Math.min(use.clicks, most)} aria-valuetext={text}>
        <span style={{ width: `${(100 * Math.min(use.clicks, most)) / Math.max(1, most)}%` }} />
      </div>
      <p>{text}, {leftText(use)}</p>
      <p className="hint">
        {use.since && use.until
          ? <>This {use.cap.per}: from <time dateTime={use.since}>{dateTime(use.since)}</time> to <time dateTime={use.until}>{dateTime(use.until)}</time>, when the count begins anew.</>
          : 'All clicks since the link was made count.'}
      </p>
    </>
  )
}
