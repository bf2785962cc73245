import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../api/client'
import { plural } from '../format'
import { SelectField, TextField } from '../ui/Field'
import { Icon } from '../ui/Icon'
import { useNotice } from '../ui/notices'
import { Trouble } from '../ui/Trouble'
import { download } from './download'

type Format = 'csv' | 'paypal' | 'sepa'

/** Files are what a bank or PayPal takes: the approved payouts that were not sent yet. */
export function Files({ program }: { program: string }) {
  const notice = useNotice()
  const [format, setFormat] = useState<Format>('csv')
  const [mark, setMark] = useState<'point' | 'comma'>('point')
  const [debtor, setDebtor] = useState({ debtor_name: '', debtor_iban: '', debtor_bic: '', execute: '' })
  const [version, setVersion] = useState<'pain.001.001.09' | 'pain.001.001.03'>('pain.001.001.09')
  const fetching = useMutation({
    mutationFn: () => download(
      api.GET('/api/v1/payouts/export', {
        params: { query: { program, format, ...(format === 'paypal' && { decimal_mark: mark }), ...(format === 'sepa' && { ...given(debtor), version }) } }, parseAs: 'blob',
      }),
      `payouts-${program}.${format === 'sepa' ? 'xml' : 'csv'}`,
    ),
    onSuccess: (skipped) => notice(skipped > 0 ? `The file is saved without ${plural(skipped, 'payout')} to partners who are paid another way` : 'The file is saved'),
  })
  const field = (name: keyof typeof debtor) => ({ value: debtor[name], onChange: (e: { target: { value: string } }) => setDebtor({ ...debtor, [name]: e.target.value }) })
  return (
    <section aria-label="Payment files">
      <div className="section-head"><h2>Payment files</h2></div>
      <form
        className="card stack"
        onSubmit={(e) => {
          e.preventDefault()
          fetching.mutate()
        }}
      >
        <p>The approved payouts that are not marked as sent. Pay them with the file, then mark them as sent.</p>
        <SelectField label="Form" value={format} onChange={(e) => setFormat(e.target.value as Format)}>
          <option value="csv">CSV, for any use</option>
          <option value="paypal">PayPal mass payment</option>
          <option value="sepa">SEPA credit transfer (pain.001)</option>
        </SelectField>
        {format === 'paypal' && (
          <SelectField label="Decimal mark" hint="The mark that is usual in the account’s country." value={mark} onChange={(e) => setMark(e.target.value as typeof mark)}>
            <option value="point">point</option>
            <option value="comma">comma</option>
          </SelectField>
        )}
        {format === 'sepa' && (
          <>
            <TextField label="Who pays" required maxLength={140} {...field('debtor_name')} />
            <TextField label="IBAN of the account" required maxLength={50} spellCheck={false} {...field('debtor_iban')} />
            <TextField label="BIC of its bank" maxLength={11} spellCheck={false} hint="May be left out." {...field('debtor_bic')} />
            <TextField type="date" label="Day of the payment" hint="Empty: today." {...field('execute')} />
            <SelectField label="Version" hint="The one that the bank takes." value={version} onChange={(e) => setVersion(e.target.value as typeof version)}>
              <option>pain.001.001.09</option>
              <option>pain.001.001.03</option>
            </SelectField>
          </>
        )}
        {fetching.error && <Trouble error={fetching.error} />}
        <p><button type="submit" disabled={fetching.isPending}><Icon name="import" /> Download</button></p>
      </form>
    </section>
  )
}

function given<T extends Record<string, string>>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, v.trim()]).filter(([, v]) => v)) as Partial<T>
}
