import { Link } from 'react-router'
import { Figure } from './Figure'
import { columns, conversionsOf, dimensions, isYoung, nameOf, nextOrder, type Dimension, type EarningsReport, type Row } from './words'

interface Shown {
  report: EarningsReport
  by: Dimension
  program: string
  order: string
  onOrder: (order: string) => void
}

export function EarningsTable({ report, by, program, order, onOrder }: Shown) {
  const rows = report.rows as Row[]
  return (
    <div className="sheet" role="region" aria-label="Earnings" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{dimensions.find((d) => d.by === by)?.label}</th>
            {columns.map((c) => (
              <th key={c.name} scope="col" className="number" title={c.formula} aria-sort={order === c.name ? 'ascending' : order === `-${c.name}` ? 'descending' : undefined}>
                <button type="button" className="quiet" onClick={() => onOrder(nextOrder(order, c.name))}>{c.label}</button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const to = conversionsOf(row, by, program)
            const name = nameOf(row, by)
            return (
              <tr key={`${name} ${row.currency}`}>
                <th scope="row">
                  {to ? <Link to={to}>{name}</Link> : name}
                  {isYoung(row) && <> <span className="badge paused">young</span></>}
                </th>
                {columns.map((c) => <td key={c.name} className="number"><Figure of={row} column={c} /></td>)}
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
