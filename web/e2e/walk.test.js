// From a click to money and back, as people do it: a partner's link clicked in a real
// browser, an order by the shop's script and one by its server, 45 days, a payout, a
// reversal and what is taken back. Run by `make test-browser`; needs Chromium.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { start } from './server.js'

const output = fileURLToPath(new URL('output/', import.meta.url))
const browserPath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const password = 'a kettle of copper and steam'

let server, browser, visitor, desk, shop, address, clicked, byScript, byServer

before(async () => {
  if (!browserPath) throw new Error('there is no Chromium; install it (apt-get install chromium), or name it in CHROMIUM')
  server = await start({ walk: true })
  shop = await openShop()
  browser = await chromium.launch({
    executablePath: browserPath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
})

after(async () => {
  await browser?.close()
  shop?.close()
  await server?.stop()
})

afterEach(async (t) => {
  if (!t.passed && desk) {
    mkdirSync(output, { recursive: true })
    await desk.screenshot({ path: `${output}${t.name.replace(/\W+/g, '-')}.png`, fullPage: true }).catch(() => {})
    for (const path of ['/conversions?program=lamps', '/rejections?limit=20']) console.error(path, JSON.stringify(await call('GET', path).catch(String)))
    console.error(server.said().slice(-2000))
  }
})

/** openShop serves the merchant's two pages and the page of a partner. */
async function openShop() {
  const script = () => `<script src="${server.links}/sluice.js" data-token="${address.page_token}"></script>`
  const pages = {
    '/blog': () => `<a href="${server.links}/go/lamp?ref=anna">The lamp I like</a>`,
    '/lamp': () => `<h1>Lamp</h1>${script()}<a href="/thanks">Buy</a>`,
    '/thanks': () => `<h1>Thank you</h1>${script()}<script>sluice.order({ id: 'script-1', amount: '129.90', currency: 'EUR' })</script>`,
  }
  const shop = createServer((request, answer) => {
    const page = pages[new URL(request.url, 'http://shop').pathname]
    answer.writeHead(page ? 200 : 404, { 'Content-Type': 'text/html; charset=utf-8' }).end(page?.() ?? '')
  })
  await new Promise((ready) => shop.listen(0, '127.0.0.1', ready))
  shop.url = `http://127.0.0.1:${shop.address().port}`
  return shop
}

const sluice = (...args) => execFileSync(server.program, [...args, '--data', server.data], { encoding: 'utf8' })

/** logIn opens the dashboard; a session does not live for 45 days. */
async function logIn() {
  await desk.goto(`${server.dashboard}/login`)
  await desk.getByLabel('User').fill('admin')
  await desk.getByLabel('Password').fill(password)
  await desk.getByRole('button', { name: 'Log in' }).click()
  await desk.waitForURL(`${server.dashboard}/`)
}

/** call asks the API as the person at the desk. */
async function call(method, path, data) {
  const answer = await desk.request.fetch(`${server.dashboard}/api/v1${path}`, { method, data, headers: { Origin: server.dashboard } })
  const text = await answer.text()
  assert.ok(answer.ok(), `${method} ${path}: ${answer.status()} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

/** report is the merchant's server: a signed postback, as docs/postbacks.md describes it. */
async function report(order) {
  const encode = (s) => encodeURIComponent(s).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase())
  const all = { ...order, ts: String(Math.floor(server.now() / 1000)), nonce: `nonce-${Math.random().toString(36).slice(2).padEnd(10, '0')}` }
  const text = Object.entries(all).map(([name, value]) => `${encode(name)}=${encode(value)}`).sort().join('&')
  const sig = createHmac('sha256', address.secret).update(text).digest('hex')
  const answer = await fetch(`${server.links}${new URL(address.postback, server.links).pathname}?${text}&sig=${sig}`)
  const body = await answer.json()
  assert.equal(answer.status, 200, JSON.stringify(body))
  return body
}

/** click goes from the partner's page to the shop and returns the click id that arrives there. */
async function click() {
  await visitor.goto(`${shop.url}/blog`)
  await visitor.getByText('The lamp I like').click()
  await visitor.waitForURL(/\/lamp\?click_id=[0-9a-z]{24}$/)
  return new URL(visitor.url()).searchParams.get('click_id')
}

/** until asks again and again, for at most half a minute. */
async function until(what, holds) {
  for (const end = Date.now() + 30_000; ; await new Promise((go) => setTimeout(go, 200))) {
    const found = await holds()
    if (found) return found
    if (Date.now() > end) assert.fail(`half a minute went by without ${what}`)
  }
}

/** sees opens a page of the dashboard and waits for every text. */
async function sees(path, ...texts) {
  await desk.goto(`${server.dashboard}${path}`)
  for (const text of texts) await desk.getByText(text).filter({ visible: true }).first().waitFor()
}

const conversion = async (id) => (await call('GET', `/conversions/${encodeURIComponent(id)}`)).conversion
const owed = async () => (await call('GET', '/balances?program=lamps&partner=anna')).items[0]
const inState = (id, state) => until(`${id} being ${state}`, async () => (await conversion(id)).state === state)

test('a program, a partner and a link are made', async () => {
  desk = await (await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 1200, height: 900 } })).newPage()
  desk.setDefaultTimeout(10_000)
  await desk.goto(server.login)
  await desk.getByLabel('New password').fill(password)
  await desk.getByRole('button', { name: 'Set password' }).click()
  await desk.waitForURL(`${server.dashboard}/`)
  await call('POST', '/programs', { id: 'lamps', side: 'pays', settlement: { currency: 'EUR', minimum_payout: 1000, terms: [{ hold_days: 30, rates: [{ percent: 100000 }] }] } })
  await call('POST', '/partners', { program: 'lamps', code: 'anna' })
  sluice('link', 'add', 'lamp', `${shop.url}/lamp?click_id={click_id}`, '--program', 'lamps')
  address = await call('GET', '/programs/lamps/postback')
})

test('a visitor clicks the partner’s link and buys: the script reports the order', async () => {
  const context = await browser.newContext({ userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36' })
  visitor = await context.newPage()
  clicked = await click()
  await visitor.getByText('Buy').click()
  await visitor.getByText('Thank you').waitFor()
  const found = await until('the order', async () => (await call('GET', '/conversions?program=lamps')).items[0])
  byScript = found.id
  await inState(byScript, 'pending')
  assert.deepEqual((await conversion(byScript)).shares.map((s) => [s.partner, s.amount.text]), [['anna', '12.99 EUR']])
})

test('the shop’s server reports another order, signed', async () => {
  const order = { click_id: clicked, txid: 'server-1', amount: '59.90', currency: 'EUR' }
  byServer = (await report(order)).conversion
  await inState(byServer, 'pending')
  assert.equal((await report(order)).status, 'duplicate')
  await sees('/conversions?program=lamps', 'script-1', '129.90 EUR', 'server-1', '59.90 EUR', 'pending')
  await sees('/earnings', '18.98 EUR', 'young')
})

test('45 days later both are approved, and paid out', async () => {
  await server.later(45)
  await logIn()
  await inState(byScript, 'approved')
  await inState(byServer, 'approved')
  assert.equal((await owed()).owed.text, '18.98 EUR')
  const { items: payouts } = await call('POST', '/payouts', { program: 'lamps' })
  assert.deepEqual(payouts.map((p) => [p.partner, p.amount.text]), [['anna', '18.98 EUR']])
  await call('POST', `/payouts/${encodeURIComponent(payouts[0].id)}/approve`)
  await call('POST', `/payouts/${encodeURIComponent(payouts[0].id)}/sent`)
  assert.equal((await owed()).paid_out.text, '18.98 EUR')
  await inState(byScript, 'paid')
  await inState(byServer, 'paid')
  await sees('/payouts?program=lamps', 'sent', '18.98 EUR')
  await sees(`/conversions/${byScript}`, 'paid: every share was in a payout that was sent')
})

test('goods come back: the commission is taken from the next payout', async () => {
  await report({ txid: 'server-1', status: 'returned', reason: 'item_returned' })
  await inState(byServer, 'reversed')
  assert.equal((await owed()).owed.text, '-5.99 EUR')
  const late = await report({ click_id: await click(), txid: 'server-2', amount: '200.00', currency: 'EUR' })
  await server.later(45)
  await logIn()
  await inState(late.conversion, 'approved')
  const { items: payouts } = await call('POST', '/payouts', { program: 'lamps' })
  assert.deepEqual(payouts.map((p) => p.amount.text), ['14.01 EUR'])
  await call('POST', `/payouts/${encodeURIComponent(payouts[0].id)}/approve`)
  await call('POST', `/payouts/${encodeURIComponent(payouts[0].id)}/sent`)
  await inState(late.conversion, 'paid')
  await sees('/payouts?program=lamps', '14.01 EUR')
  await sees(`/conversions/${byServer}`, 'reversed', '5.99 EUR were taken off the payout')
  await sees('/earnings?range=90d', 'Discrepancies')
})

test('the command line explains it', async () => {
  const said = sluice('conversion', 'explain', byServer)
  for (const part of [/state +reversed/, /a report reverses all of the order/, /returned, because item_returned/, /5\.99 EUR were taken off the payout lamps:anna:EUR:2/, /reversed +anna, owed +-5\.99 EUR/]) assert.match(said, part)
})
