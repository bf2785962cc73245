import { Link as Anchor } from 'react-router'
import { usePrograms } from '../links/queries'
import { StatusBadge } from '../ui/Badge'
import { useTitle } from '../ui/hooks'
import { Empty, Trouble, Waiting } from '../ui/Trouble'

export function ProgramsPage() {
  useTitle('Programs')
  const programs = usePrograms()
  return (
    <>
      <div className="page-head"><h1>Programs</h1></div>
      {programs.isError && <Trouble what="The programs could not be loaded" error={programs.error} retry={() => void programs.refetch()} />}
      {programs.isPending && <Waiting label="Loading programs" />}
      {programs.data?.length === 0 && <Empty title="No programs yet"><p>A program is an agreement with a merchant. Add one on the server with <code>sluice program add</code>, or through the API.</p></Empty>}
      {programs.data && programs.data.length > 0 && (
        <div className="sheet" role="region" aria-label="Programs" tabIndex={0}>
          <table>
            <thead><tr><th scope="col">Program</th><th scope="col">Merchant</th><th scope="col">Status</th><th scope="col">Books</th></tr></thead>
            <tbody>
              {programs.data.map((p) => (
                <tr key={p.id}>
                  <th scope="row"><Anchor to={`/programs/${encodeURIComponent(p.id)}/settlement`}>{p.name || p.id}</Anchor>{p.name && <span className="sub">{p.id}</span>}</th>
                  <td>{p.merchant ?? '–'}</td>
                  <td><StatusBadge status={p.status} /></td>
                  <td>{p.settlement ? `${p.side === 'pays' ? 'we pay partners' : 'it pays us'}, in ${p.settlement.currency}` : 'none kept'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  )
}
