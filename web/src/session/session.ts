// Who is logged in, as far as the server told last.
import { useQuery, type QueryClient } from '@tanstack/react-query'
import { api, ask, type Me } from '../api/client'
import { RequestFailed } from '../api/problem'

const meKey = ['me']

/** useMe is undefined while unknown and null when nobody is logged in. */
export function useMe(options: { enabled?: boolean } = {}) {
  return useQuery({
    ...options,
    queryKey: meKey,
    queryFn: async ({ signal }): Promise<Me | null> => {
      try {
        return await ask(api.GET('/api/v1/me', { signal }))
      } catch (error) {
        if (error instanceof RequestFailed && error.status === 401) return null
        throw error
      }
    },
    // Somebody who logs in in another tab is noticed when this one is looked at.
    staleTime: (query) => (query.state.data ? 60_000 : 0),
  })
}

/** welcome takes over a new session; what was loaded for somebody else is dropped. */
export async function welcome(client: QueryClient, me: Me) {
  // A question from before would be answered with nobody.
  await client.cancelQueries({ queryKey: meKey })
  const before = client.getQueryData<Me | null>(meKey)
  if (before && before.user !== me.user) client.clear()
  client.setQueryData(meKey, me)
  void client.invalidateQueries({ predicate: (q) => q.queryKey[0] !== 'me' })
}

/** doubt asks the server who is logged in: a request was refused, perhaps one from before a new login. */
export function doubt(client: QueryClient) {
  void client.invalidateQueries({ queryKey: meKey }, { cancelRefetch: false })
}

/** safeNext is where to go after logging in: only ever a page of this dashboard. */
export function safeNext(next: string | null): string {
  if (!next || !/^\/(?!\/)[\w\-./~%?&=:#+,@]*$/.test(next)) return '/'
  return next.startsWith('/login') ? '/' : next
}
