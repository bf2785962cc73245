// Two nodes that share their links through Redis, as the dashboard shows them, and what is
// done to all of them. Run by `make test-browser`; needs Chromium and Redis.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { seen, sitDown, until } from './browser.js'
import { start } from './server.js'

let redis, server, redirect, desk, page

before(async () => {
  redis = await startRedis()
  const shared = `distribution: {engine: redis, url: "redis://127.0.0.1:${redis.port}"}\ncluster: {secret: ${'not a secret at all '.repeat(3).replaceAll(' ', '-')}}\n`
  server = await start({ settings: `node: 1\n${shared}` })
  redirect = await start({ settings: `node: 2\nrole: redirect\n${shared}` })
  desk = await sitDown(server)
  page = desk.page
})

after(async () => {
  await desk?.browser.close()
  await redirect?.stop()
  await server?.stop()
  await redis?.stop()
})

afterEach(async (t) => {
  if (!t.passed && desk) {
    await desk.photograph(t.name)
    console.error(server.said().slice(-2000), redirect?.said().slice(-2000))
  }
})

async function startRedis() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  await new Promise((closed) => probe.close(closed))
  const dir = mkdtempSync(join(tmpdir(), 'sluice-redis-'))
  const child = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((ready, failed) => {
    child.on('error', (error) => failed(new Error(`redis-server cannot be started (Debian: apt-get install redis-server): ${error.message}`)))
    child.on('exit', (code) => failed(new Error(`redis-server ended with ${code}`)))
    child.stdout.on('data', (piece) => /ready to accept connections/i.test(piece) && ready())
  })
  const stop = async () => {
    child.kill()
    if (child.exitCode === null) await once(child, 'exit')
    rmSync(dir, { recursive: true, force: true })
  }
  return { port, stop }
}

const nodes = async () => (await desk.call('GET', '/status')).nodes ?? []
const row = (name) => page.getByRole('region', { name: 'Nodes' }).getByRole('row').filter({ hasText: name })
const openMore = (at) => at.getByText('More', { exact: true }).click()

test('a single process has no nodes in the way', async (t) => {
  const single = await start()
  t.after(() => single.stop())
  const alone = await sitDown(single)
  t.after(() => alone.browser.close())
  await seen(alone.page.getByRole('heading', { name: 'Welcome to Sluice' }))
  await openMore(alone.page)
  await seen(alone.page.getByRole('link', { name: 'Webhooks' }))
  assert.equal(await alone.page.getByRole('link', { name: 'Nodes' }).count(), 0)
  await alone.page.goto(`${single.dashboard}/nodes`)
  await seen(alone.page.getByRole('heading', { name: 'No nodes are known' }))
  assert.deepEqual(alone.complaints, [])
})

test('the menu leads to the nodes, and each is shown as the server tells of it', async () => {
  // A node that has just begun says so before it has a link.
  await until('both nodes with all links', async () => {
    const status = await desk.call('GET', '/status')
    return status.nodes?.length === 2 && status.nodes.every((n) => n.table_seq === status.catalog_seq)
  })
  await page.reload()
  await openMore(page)
  await page.getByRole('link', { name: 'Nodes' }).click()
  await seen(page.getByRole('heading', { name: 'Nodes', exact: true }))
  await seen(page.getByText(/^2 nodes: 1 all, 1 redirect · newest change \d+$/))
  const told = await nodes()
  assert.deepEqual(told.map((n) => n.role).sort(), ['all', 'redirect'])
  for (const node of told) {
    for (const part of [node.role, String(node.number), node.version, node.address]) await seen(row(node.name).getByText(part, { exact: true }))
    await seen(row(node.name).getByText('up to date'))
  }
})

test('a node that is held up is behind, and catches up', async () => {
  const { name } = (await nodes()).find((n) => n.role === 'redirect')
  process.kill(redirect.pid, 'SIGSTOP')
  try {
    await desk.call('POST', '/links', { slug: 'kettle', url: 'https://shop.example/kettle' })
    await page.reload()
    await seen(row(name).getByText('1 change behind'))
  } finally {
    process.kill(redirect.pid, 'SIGCONT')
  }
  await row(name).getByText('up to date').waitFor({ timeout: 25_000 }) // by itself
})

test('rotating the cookie keys asks first, and says to whom it happens', async () => {
  const button = page.getByRole('button', { name: 'Rotate cookie keys' })
  await button.click()
  const dialog = page.getByRole('dialog', { name: 'Sign visitors’ cookies with a new key?' })
  await seen(dialog.getByText(/^2 nodes \(1 all, 1 redirect\) do so a minute from now/))
  const [answer] = await Promise.all([
    page.waitForResponse(/\/cluster\/cookie-keys$/),
    dialog.getByRole('button', { name: 'Rotate cookie keys' }).click(),
  ])
  assert.equal(answer.status(), 204)
  await seen(page.getByText('The new key signs within a minute; those before it stay accepted'))
})

test('republishing asks first, and every node obeys', async () => {
  const epoch = () => JSON.parse(readFileSync(join(redirect.data, 'table', 'replication'), 'utf8')).epoch
  const first = epoch()
  const open = () => page.getByRole('button', { name: 'Republish links' }).click()
  const dialog = page.getByRole('dialog', { name: 'Make this store’s links those of all nodes?' })
  await open()
  await seen(dialog.getByText('What was changed after the backup is gone then.'))
  await seen(dialog.getByText(/^2 nodes \(1 all, 1 redirect\) take the links of this store as of change \d+, .* None of them knows more now\.$/))
  await page.keyboard.press('Enter') // on Cancel
  await dialog.waitFor({ state: 'detached' })
  assert.equal(epoch(), first)
  await open()
  await dialog.getByRole('button', { name: 'Republish links' }).click()
  await seen(page.getByText('Every node takes the store’s links within seconds'))
  await until('the new epoch', () => epoch() === first + 1)
})

test('what is wrong stands out, only operators act, and nobody is kept out', async () => {
  await page.route('**/api/v1/status', async (route) => {
    const answer = await route.fetch()
    const status = await answer.json()
    Object.assign(status.nodes.find((n) => n.role === 'redirect'), { skew_seconds: -3.25, alarms: 2, waiting: 12_345, table_seq: status.catalog_seq + 3 })
    await route.fulfill({ response: answer, json: status })
  })
  await page.reload()
  for (const part of ['3.3 s behind', '2', '12,345', '3 changes ahead of the store']) await seen(row('redirect-2').getByText(part, { exact: true }))
  await page.getByRole('button', { name: 'Republish links' }).click()
  await seen(page.getByRole('dialog').getByText(/1 node knows more now\.$/))
  await page.keyboard.press('Escape')
  assert.deepEqual(await desk.barriers(['/nodes']), [])
  await page.route('**/api/v1/me', async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: { ...(await answer.json()), operator: false } })
  })
  await page.reload()
  await seen(row('redirect-2'))
  assert.equal(await page.getByRole('region', { name: 'For all nodes' }).count(), 0)
  await page.unrouteAll({ behavior: 'wait' })
})

test('a node that stops is gone from the page', async () => {
  await page.reload()
  await seen(row('redirect-2'))
  await redirect.stop()
  redirect = undefined
  await row('redirect-2').waitFor({ state: 'detached', timeout: 25_000 })
  await seen(page.getByText(/^1 node: 1 all/))
})

test('nothing broke behind the scenes', () => {
  assert.deepEqual(desk.complaints, [])
})
