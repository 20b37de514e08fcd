export default {
  files: ['test/slow/**/*.test.ts'],
  extensions: ['ts'],
  timeout: '60m',
  concurrency: 1,
}
