import react from '@vitejs/plugin-react'
import { loadEnv } from 'vite'
import { defineConfig } from 'vitest/config'

// Where `npm run dev` finds a running server: SLUICE_ADMIN in the environment.
const server = loadEnv('', '.', 'SLUICE_').SLUICE_ADMIN ?? 'http://127.0.0.1:8081'

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: '../internal/web/dist',
    emptyOutDir: false, // scripts/empty.js does it, and leaves .keep
    assetsInlineLimit: 0, // the Content-Security-Policy takes files only
    sourcemap: false,
    chunkSizeWarningLimit: 600,
  },
  server: { host: '127.0.0.1', proxy: { '/api': server } },
  test: { include: ['src/**/*.test.ts'], environment: 'node', css: true, env: { TZ: 'Europe/Berlin' } },
})
