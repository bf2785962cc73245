import { createBrowserRouter, Link, useRouteError } from 'react-router'
import { Frame } from './frame/Frame'
import { LoginPage } from './session/LoginPage'
import { PasswordPage } from './session/PasswordPage'
import { Empty, Trouble, Waiting } from './ui/Trouble'

export const router = createBrowserRouter([
  { path: '/login', element: <LoginPage />, errorElement: <Broken /> },
  {
    element: <Frame />,
    errorElement: <Broken />,
    hydrateFallbackElement: <Starting />,
    children: [
      { path: '/', lazy: async () => ({ Component: (await import('./home/HomePage')).HomePage }) },
      { path: '/links', lazy: async () => ({ Component: (await import('./links/LinksPage')).LinksPage }) },
      { path: '/links/new', lazy: async () => ({ Component: (await import('./editor/EditorPage')).NewPage }) },
      { path: '/links/:id', lazy: async () => ({ Component: (await import('./link/LinkPage')).LinkPage }) },
      { path: '/links/:id/edit', lazy: async () => ({ Component: (await import('./editor/EditorPage')).EditPage }) },
      { path: '/conversions', lazy: async () => ({ Component: (await import('./conversions/ConversionsPage')).ConversionsPage }) },
      { path: '/conversions/:id', lazy: async () => ({ Component: (await import('./conversion/ConversionPage')).ConversionPage }) },
      { path: '/payouts', lazy: async () => ({ Component: (await import('./payouts/PayoutsPage')).PayoutsPage }) },
      { path: '/rejected', lazy: async () => ({ Component: (await import('./rejected/RejectedPage')).RejectedPage }) },
      { path: '/webhooks', lazy: async () => ({ Component: (await import('./webhooks/WebhooksPage')).WebhooksPage }) },
      { path: '/programs', lazy: async () => ({ Component: (await import('./programs/ProgramsPage')).ProgramsPage }) },
      { path: '/programs/:id/settlement', lazy: async () => ({ Component: (await import('./programs/SettlementPage')).SettlementPage }) },
      { path: '/earnings', lazy: async () => ({ Component: (await import('./earnings/EarningsPage')).EarningsPage }) },
      { path: '/nodes', lazy: async () => ({ Component: (await import('./nodes/NodesPage')).NodesPage }) },
      { path: '/password', element: <PasswordPage /> },
      { path: '*', element: <Lost /> },
    ],
  },
])

function Starting() {
  return <main className="page"><Waiting label="Starting" /></main>
}

function Lost() {
  return (
    <Empty title="There is no such page" alone>
      <p>Perhaps the address was cut short. <Link to="/links">All links</Link> are a good place to go on.</p>
    </Empty>
  )
}

function Broken() {
  const error = useRouteError()
  return (
    <main className="page">
      <Trouble what="This page has broken" error={error} retry={() => window.location.reload()} />
    </main>
  )
}
