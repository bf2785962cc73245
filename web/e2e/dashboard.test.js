// A person's first ten minutes with the dashboard: the real program and a real
// browser. Run by `make test-browser`; needs Chromium.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { start } from './server.js'

const output = fileURLToPath(new URL('output/', import.meta.url))
const browserPath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const password = 'a kettle of copper and steam'

let server
let browser
let context
let page
const complaints = []

before(async () => {
  if (!browserPath) throw new Error('there is no Chromium; install it (apt-get install chromium), or name it in CHROMIUM')
  server = await start()
  browser = await chromium.launch({
    executablePath: browserPath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
  context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 1200, height: 900 } })
  page = await newPage()
})

after(async () => {
  await browser?.close()
  await server?.stop()
})

afterEach(async (t) => {
  if (!t.passed && page) {
    mkdirSync(output, { recursive: true })
    await page.screenshot({ path: `${output}${t.name.replace(/\W+/g, '-')}.png`, fullPage: true }).catch(() => {})
  }
})

async function newPage() {
  const made = await context.newPage()
  made.setDefaultTimeout(10_000)
  made.on('pageerror', (error) => complaints.push(String(error)))
  made.on('console', (message) => {
    // The browser itself reports every answer of 4xx; those are asked for here.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) complaints.push(message.text())
  })
  return made
}

const heading = (name) => page.getByRole('heading', { name, exact: true })
const seen = (locator) => locator.first().waitFor({ state: 'visible' })

/** click follows a link as a visitor of the site would. */
async function click(slug, agent = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36') {
  const answer = await fetch(`${server.links}/go/${slug}`, { redirect: 'manual', headers: { 'User-Agent': agent, 'Accept-Language': 'en' } })
  assert.equal(answer.status, 302)
  return answer.headers.get('Location')
}

test('the printed address logs in, leaves no code behind, and asks for a password', async () => {
  await page.goto(server.login)
  await seen(heading('Set a password'))
  assert.doesNotMatch(page.url(), /code=/)
  await page.getByLabel('New password').fill('short')
  await page.getByRole('button', { name: 'Set password' }).click()
  await seen(page.locator('.faults'))
  await page.getByLabel('New password').fill(password)
  await page.getByRole('button', { name: 'Set password' }).click()
  await page.waitForURL(`${server.dashboard}/`)
  await seen(heading('Welcome to Sluice'))
})

test('a code that was used says so, and what to do', async () => {
  const other = await browser.newContext()
  const second = await other.newPage()
  await second.goto(server.login)
  await seen(second.getByText('This login address does not work any more.'))
  await seen(second.locator('.trouble code', { hasText: 'sluice login' }))
  await other.close()
})

test('the empty list teaches, and one field and Enter add a link', async () => {
  await page.getByRole('navigation').getByRole('link', { name: 'Links' }).click()
  await seen(heading('Add your first link'))
  await page.getByLabel('Where the link leads').fill('https://shop.example/copper-kettle?tag=blog')
  await page.keyboard.press('Enter')
  await seen(heading('Add a link'))
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'copper-kettle')
  await page.getByLabel('Leads to').press('Enter')
  await seen(heading('copper-kettle active'))
  await seen(page.getByRole('link', { name: /\/go\/copper-kettle$/ }))
  await seen(page.getByText('No clicks in this time'))
})

test('a click is seen on the link’s page and in the list', async () => {
  assert.equal(await click('copper-kettle'), 'https://shop.example/copper-kettle?tag=blog')
  const figure = page.locator('.figure', { has: page.getByText('Clicks', { exact: true }) }).locator('dd')
  await figure.filter({ hasText: /^1$/ }).waitFor()
  await seen(page.getByRole('region', { name: 'Browsers' }).getByText('Chrome'))
  await seen(page.getByRole('img', { name: /1 click; most, 1/ }))
  await page.getByRole('navigation').getByRole('link', { name: 'Links' }).click()
  const row = page.getByRole('row', { name: /copper-kettle/ })
  await row.locator('.clicks').filter({ hasText: /^1$/ }).waitFor()
})

test('a mistake is shown beside its field, and the rest is kept', async () => {
  await page.getByRole('link', { name: 'Edit copper-kettle' }).click()
  await seen(heading('Edit copper-kettle'))
  await page.getByLabel('Leads to').fill('javascript:alert(1)')
  await page.getByText('Rules', { exact: true }).click()
  await page.getByRole('button', { name: 'Add a rule' }).click()
  await page.getByLabel('Values, separated by commas').fill('DE, Austria')
  await page.getByLabel('Then leads to').fill('https://shop.example/de')
  await page.getByRole('button', { name: 'Save' }).click()
  const summary = page.getByRole('alert')
  await seen(summary.getByText(/2 things need another look/))
  assert.equal(await summary.evaluate((e) => e === document.activeElement), true, 'the focus is on what is wrong')
  await seen(page.locator('[data-path="destinations[0].url"] .faults'))
  await seen(page.locator('[data-path="rules[0].when[0].in"] .faults').getByText(/AUSTRIA/i))
  await summary.getByRole('button', { name: /condition 1/ }).click()
  assert.equal(await page.evaluate(() => document.activeElement.value), 'DE, Austria')
  await page.getByLabel('Values, separated by commas').fill('DE, AT')
  await page.getByLabel('Leads to', { exact: true }).fill('https://shop.example/kettle')
  await page.getByRole('button', { name: 'Save' }).click()
  await seen(heading('copper-kettle active'))
  await seen(page.getByText('1 rule comes first'))
  assert.equal(await click('copper-kettle'), 'https://shop.example/kettle')
})

test('what is allowed but seldom meant is said', async () => {
  await page.getByRole('link', { name: 'Edit', exact: true }).click()
  await page.getByText('Redirect, parameters and sub-ID').click()
  await page.getByLabel('Redirect', { exact: true }).selectOption('301')
  await page.getByRole('button', { name: 'Save' }).click()
  await seen(page.getByText('Saved. Is this meant?'))
  await seen(page.getByRole('status').getByText(/browsers keep a 301/))
})

test('the history says who changed what', async () => {
  const history = page.getByRole('region', { name: 'History' })
  await seen(history.getByText('admin').first())
  await seen(history.locator('ins', { hasText: 'https://shop.example/kettle' }))
})

test('two people’s changes meet, and nothing is lost', async () => {
  await page.getByRole('link', { name: 'Edit', exact: true }).click()
  await page.getByText('Page and note').click()
  await page.getByLabel('Note').fill('mine')
  await page.getByLabel('Tags').fill('kitchen')
  const api = await context.request.patch(`${server.dashboard}/api/v1/links/1`, { data: { note: 'theirs', page: '/kettles' }, headers: { Origin: server.dashboard } })
  assert.equal(api.status(), 200, await api.text())
  await page.getByRole('button', { name: 'Save' }).click()
  const dialog = page.getByRole('dialog')
  await seen(dialog.getByText('You both changed this'))
  await seen(dialog.locator('ins', { hasText: '/kettles' }))
  await dialog.getByLabel(/theirs/).check()
  await dialog.getByRole('button', { name: 'Save both' }).click()
  await seen(heading('copper-kettle active'))
  const link = await (await context.request.get(`${server.dashboard}/api/v1/links/1`)).json()
  assert.deepEqual([link.note, link.page, link.tags], ['theirs', '/kettles', ['kitchen']])
})

test('searching keeps the focus and the address follows', async () => {
  for (const slug of ['teapot', 'espresso']) {
    await context.request.post(`${server.dashboard}/api/v1/links`, { data: { slug, url: `https://shop.example/${slug}` }, headers: { Origin: server.dashboard } })
  }
  await page.getByRole('navigation').getByRole('link', { name: 'Links' }).click()
  await seen(page.getByText('3 links', { exact: true }))
  const search = page.getByRole('searchbox', { name: 'Search links' })
  await search.pressSequentially('tea')
  await seen(page.getByText('1 link found'))
  assert.match(page.url(), /\?q=tea$/)
  assert.equal(await search.evaluate((e) => e === document.activeElement), true)
  await search.fill('nothing like this')
  await seen(heading('No link matches'))
  await page.getByRole('button', { name: 'Show all links' }).click()
  await seen(page.getByText('3 links', { exact: true }))
  assert.equal(await search.inputValue(), '')
})

test('a file is checked, then imported', async () => {
  await page.getByRole('button', { name: 'Import' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('File').setInputFiles({ name: 'links.csv', mimeType: 'text/csv', buffer: Buffer.from('slug,url\nmug,https://shop.example/mug\nbad,javascript:alert(1)\n') })
  await dialog.getByRole('button', { name: 'Only check' }).click()
  await seen(dialog.getByText(/Line 3/))
  await dialog.getByLabel('Leave out lines with mistakes').check()
  await dialog.getByRole('button', { name: 'Import', exact: true }).click()
  await seen(dialog.getByText(/Imported: 1 new/))
  await dialog.getByRole('button', { name: 'Done' }).click()
  await seen(page.getByRole('link', { name: 'mug', exact: true }))
})

test('pausing and deleting ask first', async () => {
  await page.getByRole('link', { name: 'mug', exact: true }).click()
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
  await seen(heading('mug paused'))
  await page.getByRole('button', { name: 'Activate' }).click()
  await seen(heading('mug active'))
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.keyboard.press('Escape')
  await seen(heading('mug active'))
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click()
  await seen(heading('Links'))
  await page.getByText('3 links', { exact: true }).waitFor()
})

test('a session that ends keeps what was typed', async () => {
  await page.getByRole('link', { name: 'Add link' }).click()
  await page.getByLabel('Leads to').fill('https://shop.example/late-cup')
  await context.clearCookies()
  await page.getByRole('button', { name: 'Add link' }).click()
  const dialog = page.getByRole('dialog', { name: 'Your session has ended' })
  await seen(dialog)
  await dialog.getByLabel('Password').fill('not this one')
  await dialog.getByRole('button', { name: 'Log in' }).click()
  await seen(dialog.getByText('User and password do not match.'))
  await dialog.getByLabel('Password').fill(password)
  await dialog.getByRole('button', { name: 'Log in' }).click()
  await dialog.waitFor({ state: 'detached' })
  assert.equal(await page.getByLabel('Leads to').inputValue(), 'https://shop.example/late-cup')
  await page.getByRole('button', { name: 'Add link' }).click()
  await seen(heading('late-cup active'))
})

test('somebody who logs in in another tab goes on in this one', async () => {
  await context.clearCookies()
  await page.goto(`${server.dashboard}/login`)
  await page.getByLabel('User').fill('admin')
  await page.getByLabel('Password').fill(password)
  await page.keyboard.press('Enter')
  await seen(page.getByText('Last 30 days'))
  await context.clearCookies()
  await seen(page.getByRole('dialog', { name: 'Your session has ended' }))
  const answer = await context.request.post(`${server.dashboard}/api/v1/login`, { data: { user: 'admin', password }, headers: { Origin: server.dashboard } })
  assert.equal(answer.status(), 200)
  await page.evaluate(() => window.dispatchEvent(new Event('visibilitychange')))
  await page.getByRole('dialog').waitFor({ state: 'detached' })
})

test('without a session every page leads to the login and back', async () => {
  await context.clearCookies()
  await page.goto(`${server.dashboard}/links/1?range=7d`)
  await seen(heading('Log in'))
  await page.getByLabel('User').fill('admin')
  await page.getByLabel('Password').fill(password)
  await page.keyboard.press('Enter')
  await seen(heading('copper-kettle active'))
  assert.match(page.url(), /\/links\/1\?range=7d$/)
})

test('a fresh address of `sluice login` works', async () => {
  await context.clearCookies()
  const said = execFileSync(server.program, ['login', '--data', server.data, '--admin', new URL(server.dashboard).host], { encoding: 'utf8' })
  await page.goto(/http:\S+code=\S+/.exec(said)[0])
  await seen(page.getByText('Last 30 days'))
})

/** axe finds what keeps people with other eyes, hands or ears out. */
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

async function barriers() {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
  return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`)
}

test('nothing stands in the way of assistive technology', async () => {
  const found = []
  const look = async (where) => found.push(...(await barriers()).map((b) => `${where}: ${b}`))
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
    for (const path of ['/', '/links', '/links/1', '/links/1/edit', '/links/new', '/password', '/nowhere']) {
      await page.goto(server.dashboard + path)
      await seen(page.locator('main h1, main h2'))
      await page.waitForLoadState('networkidle').catch(() => {})
      await page.evaluate(() => document.querySelectorAll('main details').forEach((fold) => (fold.open = true)))
      await look(`${path} in ${scheme}`)
    }
    await page.goto(`${server.dashboard}/links`)
    await page.getByRole('button', { name: 'Import' }).click()
    await seen(page.getByRole('dialog'))
    await look(`the import in ${scheme}`)
  }
  assert.deepEqual(found, [])
})

test('it fits a phone, in light and dark', async () => {
  await page.setViewportSize({ width: 360, height: 740 })
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme })
    for (const path of ['/', '/links', '/links/1', '/links/1/edit', '/links/new', '/password']) {
      await page.goto(server.dashboard + path)
      await seen(page.locator('main h1, main h2'))
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      assert.ok(wide <= 0, `${path} is ${wide} pixels wider than the screen`)
    }
  }
})

test('nothing broke behind the scenes', () => {
  assert.deepEqual(complaints, [])
})
