import js from '@eslint/js'
import hooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['src/api/schema.d.ts', 'e2e/output'] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    rules: { ...hooks.configs.recommended.rules, eqeqeq: 'error' },
  },
  {
    files: ['scripts/*.js', 'e2e/*.js'],
    languageOptions: {
      globals: {
        Buffer: 'readonly', Event: 'readonly', URL: 'readonly', console: 'readonly', document: 'readonly', fetch: 'readonly',
        navigator: 'readonly', process: 'readonly', setTimeout: 'readonly', window: 'readonly',
      },
    },
  },
)
