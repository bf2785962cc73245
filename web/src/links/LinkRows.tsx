import { Link as Anchor } from 'react-router'
import type { Link } from '../api/client'
import { merchantPage } from '../editor/slug'
import { count, host, short, withoutScheme } from '../format'
import { useLinkWeeks, weekDays } from '../report/queries'
import { Spark } from '../report/Spark'
import { StatusBadge } from '../ui/Badge'
import { CopyButton } from '../ui/CopyButton'
import { Icon } from '../ui/Icon'
import { capText, opensText, shownStatus } from './cap'

interface RowsProps {
  links: Link[]
  now: Date
  onTag: (tag: string) => void
}

/** LinkRows shows one page of links and asks once for the clicks of all of them. */
export function LinkRows({ links, now, onTag }: RowsProps) {
  const { weeks, isError } = useLinkWeeks(links.map((l) => l.id), now)
  return (
    <tbody>
      {links.map((link) => {
        const week = weeks?.get(link.id)
        const clicks = week?.clicks ?? 0
        const url = link.destinations[0]?.url ?? ''
        const page = merchantPage(url)
        const status = shownStatus(link)
        return (
          <tr key={link.id} className={status === 'active' ? '' : 'dim'}>
            <th scope="row" className="cell-name">
              <Anchor to={`/links/${link.id}`} className="slug">{link.slug}</Anchor>
              {status !== 'active' && <span title={status === 'capped' ? opensText(link.cap_reached!) : undefined}><StatusBadge status={status} /></span>}
              <span className="sub">{link.short_url ? withoutScheme(link.short_url) : link.site}</span>
              {link.tags && link.tags.length > 0 && (
                <span className="tags">
                  {link.tags.map((tag) => <button key={tag} type="button" className="tag" onClick={() => onTag(tag)} aria-label={`Only links with the tag ${tag}`}>#{tag}</button>)}
                </span>
              )}
            </th>
            <td className="cell-target">
              <span className="target" title={url}>{withoutScheme(page || url)}</span>
              <span className="sub">{extras(link, page && host(url))}</span>
            </td>
            <td className="cell-clicks number">
              {weeks && <Spark days={week?.days ?? Array<number>(weekDays).fill(0)} now={now} />}
              <span className="clicks" title={`${count(clicks)} valid clicks in the last 7 days`}>{isError ? '?' : weeks ? short(clicks) : '·'}</span>
              <span className="sr-only"> clicks in the last 7 days</span>
            </td>
            <td className="cell-actions">
              {link.short_url && <CopyButton quiet label="Copy" text={link.short_url} />}
              <Anchor to={`/links/${link.id}/edit`} className="button quiet icon-only" aria-label={`Edit ${link.slug}`} title="Edit"><Icon name="edit" /></Anchor>
            </td>
          </tr>
        )
      })}
    </tbody>
  )
}

/** extras says in a few words what is special about a link. */
function extras(link: Link, via: string): string {
  const out: string[] = []
  if (link.program) out.push(link.program)
  if (via) out.push(`by ${via}`)
  const others = link.destinations.length - 1
  if (others > 0) out.push(`and ${others} more: ${link.destinations.slice(1, 3).map((d) => host(d.url)).join(', ')}${others > 2 ? ', …' : ''}`)
  if (link.rules?.length) out.push(link.rules.length === 1 ? '1 rule' : `${link.rules.length} rules`)
  if (link.starts_at || link.ends_at) out.push('scheduled')
  if (link.cap) out.push(`at most ${capText(link.cap)}`)
  return out.join(' · ')
}
