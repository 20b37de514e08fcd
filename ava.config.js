export default {
  files: ['test/**/*.test.ts', '!test/slow/**'],
  extensions: ['ts'],
  timeout: '5m',
  concurrency: 2,
  // A process of its own for each file: a thread that writes a program while another starts one makes it busy (ETXTBSY).
  workerThreads: false,
}
