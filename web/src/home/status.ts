import { useQuery } from '@tanstack/react-query'
import { api, ask } from '../api/client'

/** statusEvery is how often a page that shows the server's state asks for it, in ms. */
const statusEvery = 10_000

/** useStatus is the server's state. Without watch, what is known from the last minutes will do. */
export function useStatus({ watch = true } = {}) {
  return useQuery({
    queryKey: ['status'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/status', { signal })),
    ...(watch ? { refetchInterval: statusEvery } : { staleTime: 300_000 }),
  })
}
