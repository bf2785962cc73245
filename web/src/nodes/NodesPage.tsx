import { useStatus } from '../home/status'
import { count, plural } from '../format'
import { useMe } from '../session/session'
import { useTitle } from '../ui/hooks'
import { Advice, Empty, Trouble, Waiting } from '../ui/Trouble'
import { ForAllNodes } from './ForAllNodes'
import { distanceText, inOrder, linked, newestChange, rolesText, skewMax, skewText, type Node } from './words'

export function NodesPage() {
  useTitle('Nodes')
  const status = useStatus()
  const me = useMe()
  const nodes = inOrder(status.data?.nodes ?? [])
  const newest = status.data ? newestChange(status.data) : 0
  return (
    <>
      <div className="page-head"><h1>Nodes</h1></div>
      {status.isError && <Trouble what="The server’s state is not known" error={status.error} retry={() => void status.refetch()} />}
      {status.isPending && <Waiting lines={5} label="Loading nodes" />}
      {status.data && nodes.length === 0 && (
        <Empty title="No nodes are known">
          <p>A single process does everything by itself. Where several share their links, each is listed here once it has said that it is there.</p>
        </Empty>
      )}
      {nodes.length > 0 && (
        <>
          <p className="hint tally">{plural(nodes.length, 'node')}: {rolesText(nodes)} · newest change {count(newest)}</p>
          <NodeTable nodes={nodes} newest={newest} />
          <div className="hint after-sheet">
            <p>A node that has said nothing for ten seconds is not listed.</p>
            <Advice text="What an alarm says is at `/healthz` of the node’s address, and `sluice doctor` on its machine tells it too." />
          </div>
          {me.data?.operator && <ForAllNodes nodes={nodes} change={status.data?.catalog_seq ?? 0} />}
        </>
      )}
    </>
  )
}

function NodeTable({ nodes, newest }: { nodes: Node[]; newest: number }) {
  return (
    <div className="sheet nodes" role="region" aria-label="Nodes" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">Role</th>
            <th scope="col" className="number" title="It is in the click ids that the node makes">Number</th>
            <th scope="col">Version</th>
            <th scope="col" title="The newest change that its redirects follow">Links</th>
            <th scope="col" className="number" title="Clicks that wait there to be sent on or stored">Waiting clicks</th>
            <th scope="col" title="Its clock, by that of the distribution">Clock</th>
            <th scope="col" className="number">Alarms</th>
          </tr>
        </thead>
        <tbody>{nodes.map((node) => <NodeRow key={node.name} node={node} newest={newest} />)}</tbody>
      </table>
    </div>
  )
}

function NodeRow({ node, newest }: { node: Node; newest: number }) {
  const off = Math.abs(node.skew_seconds) > skewMax
  return (
    <tr>
      <th scope="row"><strong>{node.name}</strong><span className="sub">{node.address}</span></th>
      <td data-label="Role">{node.role}</td>
      <td data-label="Number" className="number">{node.number}</td>
      <td data-label="Version">{node.version}</td>
      <td data-label="Links"><div>{linked([node]).length > 0 ? <>change {count(node.table_seq)}<span className="sub">{distanceText(node.table_seq, newest)}</span></> : 'needs none'}</div></td>
      <td data-label="Waiting clicks" className="number">{count(node.waiting)}</td>
      <td data-label="Clock">{off ? <span className="badge paused">{skewText(node.skew_seconds)}</span> : skewText(node.skew_seconds)}</td>
      <td data-label="Alarms" className="number">{node.alarms > 0 ? <span className="badge gone">{count(node.alarms)}</span> : 'none'}</td>
    </tr>
  )
}
