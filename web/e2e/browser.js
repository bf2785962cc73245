// A person at a desk: Chromium, logged in to a server's dashboard for the first time.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const output = fileURLToPath(new URL('output/', import.meta.url))
const browserPath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export const seen = (locator) => locator.first().waitFor({ state: 'visible' })

/** until asks again and again, for at most half a minute. */
export async function until(what, holds) {
  for (const end = Date.now() + 30_000; ; await new Promise((go) => setTimeout(go, 200))) {
    const found = await holds()
    if (found) return found
    if (Date.now() > end) assert.fail(`half a minute went by without ${what}`)
  }
}

/** sitDown opens the browser and logs in. Complaints are what pages have said in the console. */
export async function sitDown(server) {
  if (!browserPath) throw new Error('there is no Chromium; install it (apt-get install chromium), or name it in CHROMIUM')
  const browser = await chromium.launch({
    executablePath: browserPath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
  const page = await (await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 1200, height: 900 } })).newPage()
  page.setDefaultTimeout(10_000)
  const complaints = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    // The browser itself reports every answer of 4xx; those are asked for here.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) complaints.push(message.text())
  })
  await page.goto(server.login)
  await page.getByLabel('New password').fill('a kettle of copper and steam')
  await page.getByRole('button', { name: 'Set password' }).click()
  await page.waitForURL(`${server.dashboard}/`)

  /** call asks the API as the person at the desk. */
  const call = async (method, path, data) => {
    const answer = await page.request.fetch(`${server.dashboard}/api/v1${path}`, { method, data, headers: { Origin: server.dashboard } })
    const text = await answer.text()
    assert.ok(answer.ok(), `${method} ${path}: ${answer.status()} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  /** photograph keeps what is on the page, for whoever looks into a test that has failed. */
  const photograph = async (name) => {
    mkdirSync(output, { recursive: true })
    await page.screenshot({ path: `${output}${name.replace(/\W+/g, '-')}.png`, fullPage: true }).catch(() => {})
  }

  /** barriers are what keeps people with other eyes, hands or ears out, and what is wider than a phone. */
  const barriers = async (paths) => {
    const found = []
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
      for (const [width, path] of [1200, 360].flatMap((w) => paths.map((p) => [w, p]))) {
        await page.setViewportSize({ width, height: 800 })
        await page.goto(server.dashboard + path)
        await seen(page.locator('main h1'))
        await page.waitForLoadState('networkidle', { timeout: 2000 }).catch(() => {})
        await page.evaluate(() => document.querySelectorAll('main details').forEach((fold) => (fold.open = true)))
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        if (wide > 0) found.push(`${path} is ${wide} pixels wider than ${width}`)
        await page.evaluate(axe)
        const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
        found.push(...violations.map((v) => `${path} in ${scheme} at ${width}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`))
        if (process.env.SLUICE_PHOTOGRAPHS) await photograph(`${path} in ${scheme} at ${width}`)
      }
    }
    await page.setViewportSize({ width: 1200, height: 900 })
    return found
  }
  return { browser, page, complaints, call, photograph, barriers }
}
