// What the pages about money ask for. Amounts come and go as text; nothing is summed here.
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { api, ask } from '../api/client'
import { toQuery, type Filters } from '../conversions/filters'

const pageSize = 50

export function useConversions(filters: Filters) {
  const query = toQuery(filters)
  return useInfiniteQuery({
    queryKey: ['conversions', query],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      ask(api.GET('/api/v1/conversions', { params: { query: { ...query, limit: pageSize, ...(pageParam && { cursor: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  })
}

export function useExplanation(id: string) {
  return useQuery({
    queryKey: ['conversion', id],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/conversions/{id}', { params: { path: { id } }, signal })),
  })
}

export function useBalances(program: string) {
  return useQuery({
    queryKey: ['payouts', program, 'balances'],
    enabled: program !== '',
    queryFn: async ({ signal }) => (await ask(api.GET('/api/v1/balances', { params: { query: { program } }, signal }))).items,
  })
}

export function usePreview(program: string) {
  return useQuery({
    queryKey: ['payouts', program, 'preview'],
    enabled: program !== '',
    queryFn: async ({ signal }) => (await ask(api.GET('/api/v1/payouts/preview', { params: { query: { program } }, signal }))).items,
  })
}

export function usePayouts(program: string) {
  return useQuery({
    queryKey: ['payouts', program, 'list'],
    enabled: program !== '',
    queryFn: async ({ signal }) => (await ask(api.GET('/api/v1/payouts', { params: { query: { program } }, signal }))).items,
  })
}

export function useRejections(program: string, reason: string) {
  const query = { ...(program && { program }), ...(reason && { reason }) }
  return useInfiniteQuery({
    queryKey: ['rejections', query],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      ask(api.GET('/api/v1/rejections', { params: { query: { ...query, limit: pageSize, ...(pageParam && { cursor: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  })
}
