// Money in the dashboard: an order is seen, explained and approved, paid out, and taken
// back; a report that was refused is shown. Run by `make test-browser`; needs Chromium.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { start } from './server.js'

const output = fileURLToPath(new URL('output/', import.meta.url))
const browserPath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const agent = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'

let server, shop, browser, page, order
const complaints = []

before(async () => {
  if (!browserPath) throw new Error('there is no Chromium; install it (apt-get install chromium), or name it in CHROMIUM')
  server = await start()
  shop = createServer((_, answer) => answer.end('a lamp'))
  await new Promise((ready) => shop.listen(0, '127.0.0.1', ready))
  browser = await chromium.launch({
    executablePath: browserPath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
  page = await (await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 1200, height: 900 } })).newPage()
  page.setDefaultTimeout(10_000)
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(server.login)
  await page.getByLabel('New password').fill('a kettle of copper and steam')
  await page.getByRole('button', { name: 'Set password' }).click()
  await page.waitForURL(`${server.dashboard}/`)
})

after(async () => {
  await browser?.close()
  shop?.close()
  await server?.stop()
})

afterEach(async (t) => {
  if (!t.passed && page) {
    mkdirSync(output, { recursive: true })
    await page.screenshot({ path: `${output}${t.name.replace(/\W+/g, '-')}.png`, fullPage: true }).catch(() => {})
  }
})

/** call asks the API as the person at the desk. */
async function call(method, path, data) {
  const answer = await page.request.fetch(`${server.dashboard}/api/v1${path}`, { method, data, headers: { Origin: server.dashboard } })
  const text = await answer.text()
  assert.ok(answer.ok(), `${method} ${path}: ${answer.status()} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

async function until(what, holds) {
  for (const end = Date.now() + 30_000; ; await new Promise((go) => setTimeout(go, 200))) {
    const found = await holds()
    if (found) return found
    if (Date.now() > end) assert.fail(`half a minute went by without ${what}`)
  }
}

const seen = (locator) => locator.first().waitFor({ state: 'visible' })
const confirm = (name) => page.getByRole('dialog').getByRole('button', { name, exact: true }).click()

test('without orders the pages say what to do next', async () => {
  await page.getByRole('link', { name: 'Conversions' }).click()
  await seen(page.getByRole('heading', { name: 'No conversions yet' }))
  await page.getByRole('link', { name: 'Payouts' }).click()
  await seen(page.getByRole('heading', { name: 'No program keeps books yet' }))
})

test('an order made through the API is in the list', async () => {
  await call('POST', '/programs', { id: 'lamps', side: 'pays', settlement: { currency: 'EUR', minimum_payout: 1000, static_token: true, terms: [{ manual: true, rates: [{ percent: 100000 }] }] } })
  await call('POST', '/partners', { program: 'lamps', code: 'anna' })
  execFileSync(server.program, ['link', 'add', 'lamp', `http://127.0.0.1:${shop.address().port}/lamp?click_id={click_id}`, '--program', 'lamps', '--data', server.data])
  const visitor = await (await browser.newContext({ userAgent: agent })).newPage()
  await until('the link', async () => (await visitor.goto(`${server.links}/go/lamp?ref=anna`)).ok())
  const click = new URL(visitor.url()).searchParams.get('click_id')
  await call('POST', '/conversions', { program: 'lamps', tx: 'A-1001', amount: '249.90', click_id: click })
  order = await until('the order being pending', async () => (await call('GET', '/conversions?program=lamps&state=pending')).items[0])
  await page.goto(`${server.dashboard}/conversions?program=lamps`)
  const row = page.getByRole('row').filter({ hasText: 'A-1001' })
  for (const part of ['pending', '249.90 EUR', '24.99 EUR', 'anna']) await seen(row.getByText(part))
  await page.getByLabel('State').selectOption('reversed')
  await seen(page.getByRole('heading', { name: 'No conversion matches' }))
  await page.getByRole('button', { name: 'Show all conversions' }).click()
  await page.getByRole('link', { name: 'A-1001' }).click()
})

test('it is explained, held, released and approved', async () => {
  await seen(page.getByRole('heading', { name: /A-1001/ }))
  await seen(page.getByRole('region', { name: 'Rules' }).getByRole('listitem'))
  await seen(page.getByRole('region', { name: 'Reports' }).getByText('249.90 EUR'))
  await seen(page.getByRole('region', { name: 'Postings' }).getByText('24.99 EUR'))
  for (const [action, next] of [['Hold', 'Release'], ['Release', 'Hold'], ['Approve', 'Reverse …']]) {
    await page.getByRole('button', { name: action, exact: true }).click()
    await confirm(action)
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await seen(page.getByRole('button', { name: next, exact: true }))
  }
  await seen(page.locator('h1').getByText('approved'))
})

test('it is paid out: run, approve, file, sent', async () => {
  await page.goto(`${server.dashboard}/payouts?program=lamps`)
  await page.getByRole('button', { name: 'Run payouts' }).click()
  await confirm('Draft them')
  await page.getByRole('button', { name: /^Approve: 24\.99 EUR to anna/ }).click()
  await confirm('Approve')
  await seen(page.getByRole('button', { name: /^Mark as sent/ }))
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()])
  assert.match(readFileSync(await file.path(), 'utf8'), /anna.*24\.99/)
  await page.getByRole('button', { name: /^Mark as sent/ }).click()
  await confirm('Mark as sent')
  await seen(page.getByRole('region', { name: 'Payouts', exact: true }).getByText('sent', { exact: true }))
  assert.equal((await call('GET', '/balances?program=lamps&partner=anna')).items[0].paid_out.text, '24.99 EUR')
})

test('taking a payout back needs a reason', async () => {
  await page.getByRole('button', { name: /^Undo/ }).click()
  await confirm('Undo')
  await seen(page.getByText('Say why: it stays in the books.'))
  await page.getByLabel('Why', { exact: true }).fill('the account is closed')
  await confirm('Undo')
  await seen(page.getByText('undone', { exact: true }))
})

test('a bonus and a partial reversal are booked', async () => {
  await page.getByRole('button', { name: /^Adjust the balance of anna/ }).click()
  await page.getByLabel('Amount in EUR').fill('1,5')
  await page.getByLabel('Note').fill('spring contest')
  await confirm('Post it')
  await seen(page.getByText(/at most one point/))
  await page.getByLabel('Amount in EUR').fill('5.00')
  await confirm('Post it')
  await seen(page.getByRole('region', { name: 'Balances', exact: true }).getByText('29.99 EUR'))
  await page.goto(`${server.dashboard}/conversions/${encodeURIComponent(order.id)}`)
  await page.getByRole('button', { name: 'Reverse …' }).click()
  await page.getByLabel('How much of the order').fill('100.00')
  await confirm('Reverse')
  await seen(page.getByText('14.99 EUR'))
})

test('a report that was refused is shown as it came', async () => {
  const { postback } = await call('GET', '/programs/lamps/postback')
  const address = new URL(server.links + new URL(postback, server.links).pathname)
  address.search = Object.entries({ txid: 'A-1002', amount: '<b>much</b>', currency: 'EUR' }).map((pair) => pair.map(encodeURIComponent).join('=')).join('&')
  assert.ok((await fetch(address)).status >= 400)
  await until('the rejection', async () => (await call('GET', '/rejections?program=lamps')).items[0])
  await page.getByText('More', { exact: true }).click()
  await page.getByRole('link', { name: 'Rejected reports' }).click()
  await seen(page.locator('pre').getByText(/A-1002/))
  assert.equal(await page.locator('pre b').count(), 0)
})

test('an endpoint’s secret is shown once', async () => {
  await page.goto(`${server.dashboard}/webhooks`)
  await page.getByRole('button', { name: 'Add endpoint' }).click()
  await page.getByLabel('Name').fill('shop')
  await page.getByLabel('Address').fill('https://shop.example/hook')
  await confirm('Add')
  await page.getByRole('button', { name: 'I have kept it' }).click()
  await page.getByRole('button', { name: 'Disable: shop' }).click()
  await confirm('Disable')
  await seen(page.getByText('disabled', { exact: true }))
})

const paths = () => ['/conversions', `/conversions/${encodeURIComponent(order.id)}`, '/payouts?program=lamps', '/rejected', '/webhooks', '/programs', '/programs/lamps/settlement']

test('nothing stands in the way of assistive technology, and it fits a phone', async () => {
  const found = []
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
    for (const [width, path] of [1200, 360].flatMap((w) => paths().map((p) => [w, p]))) {
      await page.setViewportSize({ width, height: 800 })
      await page.goto(server.dashboard + path)
      await seen(page.locator('main h1'))
      await page.waitForLoadState('networkidle').catch(() => {})
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (wide > 0) found.push(`${path} is ${wide} pixels wider than ${width}`)
      await page.evaluate(axe)
      const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
      found.push(...violations.map((v) => `${path} in ${scheme} at ${width}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`))
    }
  }
  assert.deepEqual(found, [])
  assert.deepEqual(complaints, [])
})
