// The one way to the server. Types come from its OpenAPI document.
import createClient from 'openapi-fetch'
import { RequestFailed, unreachable, type Problem } from './problem'
import type { components, paths } from './schema'

export const api = createClient<paths>({ baseUrl: '', credentials: 'same-origin' })

type Schemas = components['schemas']
export type Link = Schemas['Link']
export type LinkInput = Schemas['LinkInput']
export type Destination = Schemas['Destination']
export type Rule = Schemas['Rule']
export type Condition = Schemas['Condition']
export type Fault = Schemas['Fault']
export type Site = Schemas['Site']
export type Program = Schemas['Program']
export type Change = Schemas['Change']
export type Report = Schemas['Report']
export type Status = Schemas['Status']
export type Me = Schemas['Me']
export type ImportEvent = Schemas['ImportEvent']
export type ImportReport = Schemas['ImportReport']
export type BadLine = Schemas['BadLine']
export type LinkStatus = Link['status']
export type RedirectCode = Link['code']

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** ask returns the answer's data, or throws RequestFailed. */
export async function ask<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>
  try {
    answer = await call
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw unreachable(cause)
  }
  if (!answer.response.ok) {
    throw new RequestFailed(answer.response.status, answer.error as Problem | string | undefined)
  }
  return answer.data as T
}

/** ifMatch is the header value that names a version. */
export function ifMatch(version: number): string {
  return `"${version}"`
}
