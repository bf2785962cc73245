// A cap of clicks as a person sets it: in the editor, clicked until it closes the link, seen
// on the link's page and in the list, raised, fought over, and removed. Run by
// `make test-browser`; needs Chromium.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { seen, sitDown, until } from './browser.js'
import { start } from './server.js'

let server, desk, page

before(async () => {
  server = await start()
  desk = await sitDown(server)
  page = desk.page
})

after(async () => {
  await desk?.browser.close()
  await server?.stop()
})

afterEach(async (t) => {
  if (!t.passed && desk) await desk.photograph(t.name)
})

const heading = (name) => page.getByRole('heading', { name, exact: true })
const card = () => page.getByRole('region', { name: 'Cap of clicks' })
const used = (text) => seen(page.locator(`[role=meter][aria-valuetext="${text}"]`))
const link = () => desk.call('GET', '/links/1')

let browsers = 100

/** visit follows the link as another visitor each time, and says where it led. */
async function visit() {
  const agent = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${browsers++}.0.0.0 Safari/537.36`
  const answer = await fetch(`${server.links}/go/kettle`, { redirect: 'manual', headers: { 'User-Agent': agent, 'Accept-Language': 'en' } })
  return answer.headers.get('Location')
}

const shop = 'https://shop.example/kettle'
const blog = 'https://blog.example/deals'

test('a cap is set in the editor, and a mistake is shown beside its field', async () => {
  await page.goto(`${server.dashboard}/links/new`)
  await page.getByLabel('Leads to').fill(shop)
  await page.getByText('Status, schedule and fallback').click()
  await page.getByLabel('Fallback').fill(blog)
  await page.getByText('Cap of clicks').click()
  await page.getByLabel('Cap', { exact: true }).selectOption('clicks a day')
  assert.equal(await page.getByLabel('Time zone').inputValue(), 'Europe/Berlin')
  await page.getByRole('textbox', { name: 'Clicks', exact: true }).fill('many')
  await page.getByLabel('Time zone').fill('Europe/Berlino')
  await page.getByRole('button', { name: 'Add link' }).click()
  await seen(page.locator('[data-path="cap.clicks"] .faults'))
  await page.getByRole('textbox', { name: 'Clicks', exact: true }).fill('2')
  await page.getByRole('button', { name: 'Add link' }).click()
  await seen(page.locator('[data-path="cap.zone"] .faults'))
  await page.getByRole('alert').getByRole('button', { name: 'Cap, time zone' }).click()
  assert.equal(await page.evaluate(() => document.activeElement.value), 'Europe/Berlino')
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('Europe/Berlin')
  await page.keyboard.press('Enter')
  await seen(heading('kettle active'))
  await seen(card().getByText('At most 2 clicks a day (Europe/Berlin)'))
  await seen(card().getByText('0 of 2 clicks used, 2 left'))
  assert.deepEqual((await link()).cap, { clicks: 2, per: 'day', zone: 'Europe/Berlin' })
})

test('it is used up, and the page says so by itself', async () => {
  assert.equal(await visit(), shop)
  await used('1 of 2 clicks used')
  assert.equal(await visit(), shop)
  await seen(card().getByText(/^Closed since /))
  await seen(card().getByText(/It opens again on .* 00:00, or when/))
  await seen(heading('kettle capped'))
  await seen(page.getByRole('region', { name: 'History' }).getByText('closed it'))
  await until('the fallback', async () => (await visit()) === blog)
  await page.getByRole('navigation').getByRole('link', { name: 'Links' }).click()
  await seen(page.getByRole('row', { name: /kettle/ }).getByText('capped', { exact: true }))
})

test('nothing stands in the way of assistive technology, and it fits a phone', async () => {
  assert.deepEqual(await desk.barriers(['/links', '/links/1', '/links/1/edit']), [])
})

test('raised, it opens at once', async () => {
  await page.goto(`${server.dashboard}/links/1`)
  await card().getByRole('link', { name: 'Change the cap' }).click()
  await page.getByRole('textbox', { name: 'Clicks', exact: true }).fill('4')
  await page.getByRole('textbox', { name: 'Clicks', exact: true }).press('Enter')
  await seen(heading('kettle active'))
  await used('2 of 4 clicks used')
  assert.equal(await card().getByText(/^Closed since /).count(), 0)
  await until('the destination', async () => (await visit()) === shop)
})

test('a cap that closes the link meanwhile is nobody’s conflict', async () => {
  await page.getByRole('link', { name: 'Edit', exact: true }).click()
  await page.getByLabel('Tags').fill('kitchen')
  await visit()
  await until('the cap', async () => (await link()).cap_reached)
  await page.getByRole('button', { name: 'Save' }).click()
  await seen(heading('kettle capped'))
  const { cap, tags } = await link()
  assert.deepEqual([cap.clicks, tags], [4, ['kitchen']])
})

test('two people’s caps are a choice', async () => {
  await page.getByRole('link', { name: 'Edit', exact: true }).click()
  await page.getByRole('textbox', { name: 'Clicks', exact: true }).fill('10')
  await desk.call('PATCH', '/links/1', { cap: { clicks: 50, per: 'month' }, note: 'theirs' })
  await page.getByRole('button', { name: 'Save' }).click()
  const dialog = page.getByRole('dialog')
  await seen(dialog.getByText('10 clicks a day (Europe/Berlin)'))
  await dialog.getByLabel(/50 clicks a month/).check()
  await dialog.getByRole('button', { name: 'Save both' }).click()
  await seen(card().getByText(/^At most 50 clicks a month/))
  assert.equal((await link()).cap.clicks, 50)
})

test('removed, there is nothing left of it', async () => {
  await page.getByRole('link', { name: 'Edit', exact: true }).click()
  await page.getByLabel('Cap', { exact: true }).selectOption('none')
  await page.getByRole('button', { name: 'Save' }).click()
  await seen(heading('kettle active'))
  assert.equal(await card().count(), 0)
  assert.equal((await link()).cap, undefined)
})

test('nothing broke behind the scenes', () => {
  assert.deepEqual(desk.complaints, [])
})
