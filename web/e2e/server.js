// The real program, on a data folder and ports of its own.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = process.env.SLUICE_BIN ?? fileURLToPath(new URL('../../bin/sluice', import.meta.url))
// The same program on a clock that jumps when it is told to: test/walk.
const walker = process.env.SLUICE_WALK ?? fileURLToPath(new URL('../../bin/walk', import.meta.url))

/** start runs the server and returns its addresses and a way to stop it. With walk its clock can be moved ahead; settings are lines of a configuration file. */
export async function start({ walk = false, settings = '' } = {}) {
  if (!existsSync(program)) throw new Error(`there is no ${program}; run make build first, or name the program in SLUICE_BIN`)
  const data = mkdtempSync(join(tmpdir(), 'sluice-browser-'))
  const server = walk
    ? spawn(walker, [data], { stdio: ['pipe', 'pipe', 'pipe'] })
    : spawn(program, ['serve', '--data', data, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--config', configuration(data, settings)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  server.stderr.on('data', (piece) => (said += piece))
  const login = await new Promise((resolve, reject) => {
    server.stdout.on('data', (piece) => {
      said += piece
      const found = /http:\/\/\S+\/(login\?code=\S+|healthz)/.exec(said)
      if (found) resolve(found[0])
    })
    server.on('exit', (code) => reject(new Error(`the server ended with ${code}:\n${said}`)))
  })
  const dashboard = new URL(login).origin
  const links = /links\s+(http:\/\/[^/\s]+)/.exec(said)[1]
  const stop = async () => {
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill('SIGINT')
    await ended
    rmSync(data, { recursive: true, force: true })
  }
  let ahead = 0
  /** later moves the server's clock ahead by days. */
  const later = async (days) => {
    const told = said.length
    server.stdin.write(`${days * 24}h\n`)
    ahead += days * 86_400_000
    while (!said.slice(told).includes('clock ')) await new Promise((go) => setTimeout(go, 10))
  }
  const now = () => Date.now() + ahead
  return { later, now, said: () => said, data, login, dashboard, links, stop, program, pid: server.pid }
}

function configuration(data, settings) {
  const path = join(data, 'sluice.yaml')
  writeFileSync(path, settings)
  return path
}
