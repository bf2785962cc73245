// What the server says when a request fails, made fit to be shown.
import type { components } from './schema'

export type Problem = components['schemas']['Problem']
export type Fault = components['schemas']['Fault']

/** RequestFailed is thrown for every answer that is not a success. */
export class RequestFailed extends Error {
  readonly status: number // 0: no answer came
  readonly code: string
  readonly faults: Fault[]

  constructor(status: number, problem?: Problem | string, options?: ErrorOptions) {
    super(wording(status, problem), options)
    this.name = 'RequestFailed'
    this.status = status
    const told = typeof problem === 'object' ? problem : undefined
    this.code = told?.code ?? ''
    this.faults = told?.errors ?? []
  }
}

export function unreachable(cause: unknown): RequestFailed {
  return new RequestFailed(0, undefined, { cause })
}

function wording(status: number, problem?: Problem | string): string {
  if (typeof problem === 'object' && problem.detail) return capital(problem.detail)
  if (typeof problem === 'object' && problem.title) return capital(problem.title)
  if (status === 0) return 'The server does not answer.'
  return `The server answered ${status}.`
}

/** adviceFor says what a person can do about a failure. */
export function adviceFor(error: unknown): string {
  if (!(error instanceof RequestFailed)) return 'Load the page again. If it happens again, it is a mistake in the dashboard.'
  switch (error.status) {
    case 0:
      return 'Check that `sluice serve` is running and that you are connected, then try again.'
    case 401:
      return 'Log in again.'
    case 403:
      return 'Ask an operator of this server.'
    case 404:
      return 'It may have been removed meanwhile.'
    case 429:
      return 'Wait a moment, then try again.'
    case 503:
      return 'The server is busy or part of it is not running. Try again in a moment; `sluice doctor` says more.'
  }
  return error.status >= 500 ? 'Try again. The server’s log says what went wrong.' : ''
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? capital(error.message) : String(error)
}

/** capital makes a sentence of a server's message. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
