export default {
  files: ['test/**/*.test.ts', '!test/slow/**'],
  extensions: ['ts'],
  timeout: '5m',
  concurrency: 2,
}
