import { useTitle } from '../ui/hooks'
import { DeadLetters } from './DeadLetters'
import { Endpoints } from './Endpoints'
import { PartnerPostbacks } from './PartnerPostbacks'

export function WebhooksPage() {
  useTitle('Webhooks')
  return (
    <>
      <div className="page-head"><h1>Webhooks</h1></div>
      <Endpoints />
      <DeadLetters />
      <PartnerPostbacks />
    </>
  )
}
