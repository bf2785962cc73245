// Adding a link, and changing one.
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link as Anchor, useNavigate, useParams, useSearchParams } from 'react-router'
import type { Link } from '../api/client'
import { useLink } from '../links/queries'
import { useTitle } from '../ui/hooks'
import { Icon } from '../ui/Icon'
import { useNotice } from '../ui/notices'
import { Trouble, Waiting } from '../ui/Trouble'
import { draftOf, emptyDraft } from './draft'
import { Editor } from './Editor'
import { suggestSlug } from './slug'

function useSaved() {
  const client = useQueryClient()
  const navigate = useNavigate()
  return (link: Link) => {
    const { warnings, ...rest } = link
    client.setQueryData(['link', link.id], rest)
    void client.invalidateQueries({ queryKey: ['links'] })
    void navigate(`/links/${link.id}`, { state: { warnings } })
  }
}

export function NewPage() {
  useTitle('Add a link')
  const [params] = useSearchParams()
  const notice = useNotice()
  const saved = useSaved()
  const [initial] = useState(() => {
    const draft = emptyDraft()
    const url = params.get('url') ?? ''
    draft.destinations[0]!.url = url
    draft.slug = suggestSlug(url)
    return draft
  })
  return (
    <div className="form-page">
      <Anchor to="/links" className="crumb"><Icon name="back" /> Links</Anchor>
      <h1>Add a link</h1>
      <Editor initial={initial} onSaved={(link) => {
        notice(`${link.slug} is added`)
        saved(link)
      }} />
    </div>
  )
}

export function EditPage() {
  const id = Number(useParams().id)
  const link = useLink(id)
  useTitle(link.data ? `Edit ${link.data.slug}` : 'Edit')
  const notice = useNotice()
  const saved = useSaved()
  // What is edited is the link as it was when editing began, whatever is loaded since.
  const [base, setBase] = useState<Link>()
  const fresh = link.data && !link.isFetching ? link.data : undefined
  if (fresh && base?.id !== id) setBase(fresh)
  if (link.isError && !base) return <Trouble what="The link could not be loaded" error={link.error} retry={() => void link.refetch()} />
  if (!base || base.id !== id) return <Waiting lines={5} label="Loading the link" />
  return (
    <div className="form-page">
      <Anchor to={`/links/${id}`} className="crumb"><Icon name="back" /> {base.slug}</Anchor>
      <h1>Edit {base.slug}</h1>
      <Editor key={base.id} link={base} initial={draftOf(base)} onSaved={(changed) => {
        notice(`${changed.slug} is saved`)
        saved(changed)
      }} />
    </div>
  )
}
