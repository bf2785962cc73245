import { Link as Anchor, useSearchParams } from 'react-router'
import { usePrograms } from '../links/queries'
import { ProgramSelect } from '../money/ProgramSelect'
import { useTitle } from '../ui/hooks'
import { Empty, Trouble, Waiting } from '../ui/Trouble'
import { Balances } from './Balances'
import { Files } from './Files'
import { PayoutList } from './PayoutList'
import { Preview } from './Preview'

export function PayoutsPage() {
  useTitle('Payouts')
  const [params, setParams] = useSearchParams()
  const programs = usePrograms()
  const booked = programs.data?.filter((p) => p.settlement) ?? []
  const program = params.get('program') ?? (booked.length === 1 ? booked[0]!.id : '')
  return (
    <>
      <div className="page-head">
        <h1>Payouts</h1>
        {booked.length > 0 && <ProgramSelect booked value={program} none="Choose a program" onChange={(id) => setParams(id ? { program: id } : {}, { replace: true })} />}
      </div>
      {programs.isError && <Trouble what="The programs could not be loaded" error={programs.error} retry={() => void programs.refetch()} />}
      {programs.isPending && <Waiting label="Loading programs" />}
      {programs.data && booked.length === 0 && (
        <Empty title="No program keeps books yet">
          <p>Give a program its settlement terms, with <code>sluice program set</code> or through the API; then commissions add up here. <Anchor to="/programs">All programs</Anchor></p>
        </Empty>
      )}
      {booked.length > 0 && program === '' && <Empty title="Choose a program"><p>Its balances and payouts are shown then.</p></Empty>}
      {program !== '' && (
        <div key={program}>
          <p className="hint"><Anchor to={`/programs/${encodeURIComponent(program)}/settlement`}>Settlement terms of {program}</Anchor></p>
          <Balances program={program} currency={booked.find((p) => p.id === program)?.settlement?.currency ?? ''} />
          <Preview program={program} />
          <PayoutList program={program} />
          <Files program={program} />
        </div>
      )}
    </>
  )
}
