// Rules send some visitors elsewhere.
import type { Faults } from '../api/faults'
import { plural, zone } from '../format'
import { FaultList, TextField } from '../ui/Field'
import { Icon } from '../ui/Icon'
import { ConditionField } from './ConditionField'
import { DestinationsField } from './DestinationsField'
import { newCondition, newRule, type Draft, type RuleDraft } from './draft'
import type { Edit } from './Editor'
import { Fold } from './Fold'

export function RulesFold({ draft, faults, edit }: { draft: Draft; faults: Faults; edit: Edit }) {
  const { rules } = draft
  const set = (i: number, change: Partial<RuleDraft>, path: string) =>
    edit({ rules: rules.map((r, at) => (at === i ? { ...r, ...change } : r)) }, path)
  const move = (i: number, by: number) => {
    const out = [...rules]
    const [moved] = out.splice(i, 1)
    out.splice(i + by, 0, moved!)
    edit({ rules: out }, 'rules')
  }
  return (
    <Fold title="Rules" says={rules.length > 0 ? plural(rules.length, 'rule') : 'other destinations by country, device, time, …'} faults={faults} paths={['rules']} open={rules.length > 0}>
      <div className="stack" data-path="rules">
        <p className="hint">The first rule whose conditions all hold decides. Nobody else is affected.</p>
        <FaultList faults={faults.at('rules')} />
        {rules.map((rule, i) => (
          <RuleFields key={rule.key} rule={rule} index={i} last={rules.length - 1} faults={faults}
            onChange={(change, path) => set(i, change, path)} onMove={(by) => move(i, by)}
            onRemove={() => edit({ rules: rules.filter((_, at) => at !== i) }, 'rules')} />
        ))}
        <p><button type="button" onClick={() => edit({ rules: [...rules, newRule()] }, 'rules')}><Icon name="add" /> Add a rule</button></p>
      </div>
    </Fold>
  )
}

interface RuleProps {
  rule: RuleDraft
  index: number
  last: number
  faults: Faults
  onChange: (change: Partial<RuleDraft>, path: string) => void
  onMove: (by: number) => void
  onRemove: () => void
}

function RuleFields({ rule, index, last, faults, onChange, onMove, onRemove }: RuleProps) {
  const at = `rules[${index}]`
  const title = `Rule ${index + 1}`
  return (
    <fieldset className="rule" data-path={at}>
      <legend>{title}</legend>
      <div className="rule-tools">
        <button type="button" className="quiet icon-only" disabled={index === 0} onClick={() => onMove(-1)} aria-label={`${title}: move up`}><Icon name="up" /></button>
        <button type="button" className="quiet icon-only" disabled={index === last} onClick={() => onMove(1)} aria-label={`${title}: move down`}><Icon name="down" /></button>
        <button type="button" className="quiet icon-only" onClick={onRemove} aria-label={`${title}: remove`}><Icon name="remove" /></button>
      </div>
      <FaultList faults={faults.at(at)} />
      <div className="stack tight" data-path={`${at}.when`}>
        <FaultList faults={faults.at(`${at}.when`)} />
        {rule.when.length === 0 && <p className="hint">Without a condition it takes every visit.</p>}
        {rule.when.map((condition, j) => (
          <ConditionField
            key={condition.key} condition={condition} first={j === 0} path={`${at}.when[${j}]`} faults={faults}
            onChange={(change) => onChange({ when: rule.when.map((c, n) => (n === j ? { ...c, ...change } : c)) }, `${at}.when`)}
            onRemove={() => onChange({ when: rule.when.filter((_, n) => n !== j) }, `${at}.when`)}
          />
        ))}
        <p>
          <button type="button" className="quiet small" onClick={() => onChange({ when: [...rule.when, newCondition('device', zone)] }, `${at}.when`)}>
            <Icon name="add" /> {rule.when.length > 0 ? 'And another condition' : 'Add a condition'}
          </button>
        </p>
      </div>
      <DestinationsField label="Then leads to" list={rule.destinations} path={`${at}.destinations`} faults={faults} onChange={(destinations, path) => onChange({ destinations }, path)} />
      <TextField label="Name of the rule in reports" path={`${at}.id`} placeholder={`rule${index + 1}`} value={rule.id} faults={faults.within(`${at}.id`)} onChange={(e) => onChange({ id: e.target.value }, `${at}.id`)} />
    </fieldset>
  )
}
