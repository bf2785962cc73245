import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { RouterProvider } from 'react-router/dom'
import { RequestFailed } from './api/problem'
import { applyTheme, storedTheme } from './frame/theme'
import { router } from './routes'
import { doubt } from './session/session'
import { Notices } from './ui/notices'
import 'uplot/dist/uPlot.min.css'
import './styles/base.css'
import './styles/controls.css'
import './styles/frame.css'
import './styles/pages.css'

/** A session can end at any request. Logging in with a wrong password is something else. */
const onError = (error: unknown, ownErrors = false) => {
  if (error instanceof RequestFailed && error.status === 401 && !ownErrors) doubt(client)
}

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error) => onError(error) }),
  mutationCache: new MutationCache({ onError: (error, _variables, _context, mutation) => onError(error, mutation.meta?.ownErrors === true) }),
  defaultOptions: {
    queries: {
      staleTime: 2000,
      // What the server has refused it will refuse again.
      retry: (times, error) => times < 2 && error instanceof RequestFailed && (error.status === 0 || error.status >= 502),
    },
  },
})

applyTheme(storedTheme())
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <Notices>
        <RouterProvider router={router} />
      </Notices>
    </QueryClientProvider>
  </StrictMode>,
)
