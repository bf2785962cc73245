import { count } from '../format'
import { Amount } from '../money/Money'
import { columns, percent, type Earnings } from './words'

/** Figure is one figure of a row as its kind is written. */
export function Figure({ of, column }: { of: Earnings; column: (typeof columns)[number] }) {
  switch (column.kind) {
    case 'count':
      return <>{count(of[column.name])}</>
    case 'amount':
      return <Amount of={of[column.name]} />
    case 'ratio':
      return <>{percent(of[column.name])}</>
    default:
      return <>{of[column.name] ?? '–'}</>
  }
}
