import { useId, useRef, useState } from 'react'
import type { Link, RedirectCode } from '../api/client'
import type { Faults } from '../api/faults'
import { dateTime, withoutScheme, zone } from '../format'
import { usePrograms, useSites } from '../links/queries'
import { AreaField, CheckField, FaultList, SelectField, TextField } from '../ui/Field'
import { CapFold } from './CapFold'
import { DestinationsField } from './DestinationsField'
import type { Draft } from './draft'
import type { Edit } from './Editor'
import { Fold } from './Fold'
import { suggestSlug } from './slug'

export interface PartProps {
  draft: Draft
  faults: Faults
  edit: Edit
}

/** BasicFields are what a link needs: where it leads, and its name. */
export function BasicFields({ draft, faults, edit, link }: PartProps & { link?: Link }) {
  const sites = useSites().data ?? []
  const programs = usePrograms().data ?? []
  // The name follows the URL until somebody chooses one.
  const own = useRef(draft.slug !== suggestSlug(draft.destinations[0]?.url ?? ''))
  const site = sites.find((s) => s.id === draft.site) ?? sites[0]
  const renamed = link !== undefined && draft.slug.trim() !== link.slug
  return (
    <div className="card stack">
      <div data-path="url">
        <FaultList faults={faults.at('url')} />
        <DestinationsField
          list={draft.destinations} path="destinations" faults={faults} autoFocus={!link}
          onChange={(destinations, path) => {
            const follow = !link && !own.current
            edit({ destinations, ...(follow && { slug: suggestSlug(destinations[0]?.url ?? '') }) }, path)
          }}
        />
      </div>
      {sites.length > 1 && !link && (
        <SelectField label="Site" path="site" value={draft.site || site?.id} faults={faults.within('site')} onChange={(e) => edit({ site: e.target.value }, 'site')}>
          {sites.map((s) => <option key={s.id} value={s.id}>{s.name || s.id}</option>)}
        </SelectField>
      )}
      <SlugField
        value={draft.slug} prefix={baseOf(link, site)} faults={faults.within('slug')}
        hint={renamed ? `Visitors of ${link.slug} will not find it under its old name.` : link ? undefined : 'Leave it empty for a short random one.'}
        onChange={(slug) => {
          own.current = slug !== ''
          edit({ slug }, 'slug')
        }}
      />
      <div className="columns">
        {(programs.length > 0 || draft.program) && (
          <SelectField label="Program" path="program" value={draft.program} faults={faults.within('program')} onChange={(e) => edit({ program: e.target.value }, 'program')}>
            <option value="">none</option>
            {programs.map((p) => <option key={p.id} value={p.id}>{p.name || p.id}{p.status === 'active' ? '' : ` (${p.status})`}</option>)}
            {draft.program && !programs.some((p) => p.id === draft.program) && <option value={draft.program}>{draft.program}</option>}
          </SelectField>
        )}
        <TextField label="Tags" path="tags" placeholder="kitchen, gifts" value={draft.tags} faults={faults.within('tags')} onChange={(e) => edit({ tags: e.target.value }, 'tags')} />
      </div>
    </div>
  )
}

function baseOf(link: Link | undefined, site: { hosts?: string[]; prefix: string } | undefined): string {
  if (link?.short_url) return withoutScheme(link.short_url).slice(0, -link.slug.length)
  if (!site) return '/go/'
  return (site.hosts?.[0] ?? '') + site.prefix
}

interface SlugProps {
  value: string
  prefix: string
  hint?: string
  faults: string[]
  onChange: (slug: string) => void
}

function SlugField({ value, prefix, hint, faults, onChange }: SlugProps) {
  const id = useId()
  return (
    <div className="field" data-path="slug">
      <label htmlFor={id}>Name</label>
      <div className="joined">
        <span className="joined-before" aria-hidden="true">{prefix}</span>
        <input id={id} type="text" autoComplete="off" autoCapitalize="none" spellCheck={false} value={value}
          aria-invalid={faults.length > 0 || undefined} aria-describedby={`${id}-hint`} onChange={(e) => onChange(e.target.value)} />
      </div>
      <div id={`${id}-hint`}>
        <FaultList faults={faults} />
        {hint && <p className="hint">{hint}</p>}
      </div>
    </div>
  )
}

const codes: { code: RedirectCode; label: string }[] = [
  { code: 302, label: '302, found: the usual one' },
  { code: 307, label: '307, temporary: keeps the method' },
  { code: 301, label: '301, for good: browsers remember it' },
  { code: 308, label: '308, for good: keeps the method' },
]

/** MoreFields are folded away: most links do without. */
export function MoreFields({ draft, faults, edit, link }: PartProps & { link?: Link }) {
  return (
    <>
      <Schedule draft={draft} faults={faults} edit={edit} />
      <CapFold draft={draft} faults={faults} edit={edit} reached={link?.cap_reached} />
      <Technical draft={draft} faults={faults} edit={edit} />
      <Fold title="Page and note" says={draft.page || draft.note} faults={faults} paths={['page', 'note']} open={draft.page !== '' || draft.note !== ''}>
        <TextField label="Page" path="page" placeholder="/reviews/kettles" value={draft.page} faults={faults.within('page')}
          hint="Where in your content the link stands; clicks are counted by it." onChange={(e) => edit({ page: e.target.value }, 'page')} />
        <AreaField label="Note" path="note" value={draft.note} faults={faults.within('note')} onChange={(e) => edit({ note: e.target.value }, 'note')} />
      </Fold>
    </>
  )
}

function Schedule({ draft, faults, edit }: PartProps) {
  const says = [draft.startsAt && `from ${dateTime(draft.startsAt)}`, draft.endsAt && `until ${dateTime(draft.endsAt)}`, draft.fallback && 'with a fallback', draft.status !== 'active' && draft.status]
  return (
    <Fold title="Status, schedule and fallback" says={says.filter(Boolean).join(', ')} faults={faults} paths={['status', 'starts_at', 'ends_at', 'fallback']}>
      <div className="columns">
        <SelectField label="Status" path="status" value={draft.status} faults={faults.within('status')} onChange={(e) => edit({ status: e.target.value as Draft['status'] }, 'status')}>
          <option value="active">active</option>
          <option value="paused">paused</option>
          <option value="archived">archived</option>
        </SelectField>
        <TextField label="Starts" type="datetime-local" path="starts_at" value={draft.startsAt} faults={faults.within('starts_at')} onChange={(e) => edit({ startsAt: e.target.value }, 'starts_at')} />
        <TextField label="Ends" type="datetime-local" path="ends_at" value={draft.endsAt} faults={faults.within('ends_at')} onChange={(e) => edit({ endsAt: e.target.value }, 'ends_at')} />
      </div>
      <p className="hint">Times of {zone}. The end is not part of it.</p>
      <TextField label="Fallback" inputMode="url" path="fallback" placeholder="https://blog.example/deals" value={draft.fallback} faults={faults.within('fallback')}
        hint="Where visitors go while the link is paused, archived, outside of its schedule or at its cap. Empty: the site’s default." onChange={(e) => edit({ fallback: e.target.value }, 'fallback')} />
    </Fold>
  )
}

function Technical({ draft, faults, edit }: PartProps) {
  const programs = usePrograms().data ?? []
  const program = programs.find((p) => p.id === draft.program)
  const hosts = program?.deep_link?.hosts ?? []
  const [summary] = useState(draft.code !== 302 ? String(draft.code) : '')
  return (
    <Fold title="Redirect, parameters and sub-ID" says={summary} faults={faults} paths={['code', 'query', 'deep_link', 'sub_id', 'block_bots', 'partner']}>
      <div className="columns">
        <SelectField label="Redirect" path="code" value={draft.code} faults={faults.within('code')} onChange={(e) => edit({ code: Number(e.target.value) as RedirectCode }, 'code')}
          hint={draft.code === 301 || draft.code === 308 ? 'Browsers keep it: repeat clicks and later changes of the target will not reach you.' : undefined}>
          {codes.map((c) => <option key={c.code} value={c.code}>{c.label}</option>)}
        </SelectField>
        <SelectField label="Query parameters of the visit" path="query.mode" value={draft.queryMode} faults={[...faults.at('query'), ...faults.within('query.mode')]} onChange={(e) => edit({ queryMode: e.target.value as Draft['queryMode'] }, 'query')}>
          <option value="drop">are dropped</option>
          <option value="pass">are all handed on</option>
          <option value="only">only some are handed on</option>
        </SelectField>
      </div>
      {draft.queryMode === 'only' && (
        <TextField label="Parameters to hand on" path="query.names" placeholder="utm_source, utm_campaign" value={draft.queryNames} faults={faults.within('query.names')} onChange={(e) => edit({ queryNames: e.target.value }, 'query.names')} />
      )}
      <div className="columns">
        <SelectField label="Sub-ID" path="sub_id" value={draft.subMode} faults={faults.at('sub_id')} onChange={(e) => edit({ subMode: e.target.value as Draft['subMode'] }, 'sub_id')}>
          <option value="program">as the program or network wants it</option>
          <option value="own">set here</option>
          <option value="off">send none</option>
        </SelectField>
        {draft.subMode === 'own' && (
          <>
            <TextField label="Sub-ID parameter" path="sub_id.param" placeholder="clickref" value={draft.subParam} faults={faults.within('sub_id.param')} onChange={(e) => edit({ subParam: e.target.value }, 'sub_id.param')} />
            <TextField label="Sub-ID value" path="sub_id.value" placeholder="{click_id}" value={draft.subValue} faults={faults.within('sub_id.value')} onChange={(e) => edit({ subValue: e.target.value }, 'sub_id.value')} />
          </>
        )}
      </div>
      {draft.program && (
        <TextField label="Partner" path="partner" placeholder="mia" value={draft.partner} faults={faults.within('partner')}
          hint="Who is credited when the visit names nobody." onChange={(e) => edit({ partner: e.target.value }, 'partner')} />
      )}
      <CheckField label="Let ?url= choose a page of the merchant" path="deep_link" checked={draft.deepLink} faults={faults.within('deep_link')}
        hint={hosts.length > 0 ? `On ${hosts.join(', ')}.` : 'Only for programs that name the hosts they allow.'} onChange={(e) => edit({ deepLink: e.target.checked }, 'deep_link')} />
      <CheckField label="Refuse declared bots" path="block_bots" checked={draft.blockBots} faults={faults.within('block_bots')}
        hint="They get 403 instead of the merchant’s plain address." onChange={(e) => edit({ blockBots: e.target.checked }, 'block_bots')} />
    </Fold>
  )
}
