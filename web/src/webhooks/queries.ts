import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { api, ask } from '../api/client'
import { RequestFailed } from '../api/problem'
import type { components } from '../api/schema'

type Schemas = components['schemas']
export type Webhook = Schemas['Webhook']
export type PartnerPostback = Schemas['PartnerPostback']
type Event = NonNullable<Webhook['events']>[number]

export const events: Event[] = ['conversion.created', 'conversion.approved', 'conversion.reversed', 'conversion.changed', 'payout.sent', 'payout.undone']

export function useWebhooks() {
  return useQuery({ queryKey: ['webhooks'], queryFn: async ({ signal }) => (await ask(api.GET('/api/v1/webhooks', { signal }))).items })
}

export function useDeadLetters() {
  return useInfiniteQuery({
    queryKey: ['webhooks', 'dead'],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) => ask(api.GET('/api/v1/webhooks/dead', { params: { query: { limit: 50, ...(pageParam && { cursor: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  })
}

export function usePartners(program: string) {
  return useQuery({
    queryKey: ['partners', program],
    enabled: program !== '',
    queryFn: async ({ signal }) => (await ask(api.GET('/api/v1/partners', { params: { query: { program } }, signal }))).items,
  })
}

/** usePartnerPostback is null where the partner has none. */
export function usePartnerPostback(program: string, partner: string) {
  return useQuery({
    queryKey: ['partner-postback', program, partner],
    enabled: program !== '' && partner !== '',
    queryFn: async ({ signal }): Promise<PartnerPostback | null> => {
      try {
        return await ask(api.GET('/api/v1/partner-postbacks/{program}/{partner}', { params: { path: { program, partner } }, signal }))
      } catch (error) {
        if (error instanceof RequestFailed && error.status === 404) return null
        throw error
      }
    },
  })
}
