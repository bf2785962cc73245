// Links, and the sites and programs that they belong to.
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { api, ask } from '../api/client'
import { toQuery, type Filters } from './filters'

/** pageSize is also how many links one report may name. */
export const pageSize = 50

export function useLinks(filters: Filters) {
  return useInfiniteQuery({
    queryKey: ['links', toQuery(filters)],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      ask(api.GET('/api/v1/links', { params: { query: { ...toQuery(filters), limit: pageSize, ...(pageParam && { cursor: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  })
}

export function useLink(id: number) {
  return useQuery({
    queryKey: ['link', id],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/links/{id}', { params: { path: { id } }, signal })),
  })
}

export function useSites() {
  return useQuery({ queryKey: ['sites'], queryFn: async ({ signal }) => (await ask(api.GET('/api/v1/sites', { signal }))).items, staleTime: 60_000 })
}

export function usePrograms() {
  return useQuery({ queryKey: ['programs'], queryFn: async ({ signal }) => (await ask(api.GET('/api/v1/programs', { signal }))).items, staleTime: 60_000 })
}
