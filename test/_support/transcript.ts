// Transcripts: a session as a person sees it, run against the real command.
//
//   # a comment                     before the first command: the title
//   $ abnpkg instal hello           run by sh, standard output and error together
//   error[ABN_…]: unknown command   what must be printed; … stands for anything within a line,
//   …                               alone on a line for any number of lines
//   ? 2                             the exit status, when it is not 0
//   # needs git, an account          programs, or a user with a name, without which the session is skipped
import { spawnSync } from 'node:child_process'

export type Exchange = {
  readonly line: number
  readonly command: string
  readonly expected: readonly string[]
  readonly status: number
}

export function parseTranscript(text: string): Exchange[] {
  const exchanges: { line: number; command: string; expected: string[]; status: number }[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const current = exchanges.at(-1)
    if (line.startsWith('$ ')) exchanges.push({ line: index + 1, command: line.slice(2), expected: [], status: 0 })
    else if (line === '' || line.startsWith('# ')) continue
    else if (current === undefined) throw new TypeError(`line ${index + 1}: output before the first command`)
    else if (/^\? [0-9]+$/.test(line)) current.status = Number(line.slice(2))
    else current.expected.push(line)
  }
  return exchanges
}

export function programsNeeded(text: string): readonly string[] {
  return /^# needs (.+)$/m.exec(text)?.[1]?.split(/, */) ?? []
}

/** Runs one command; undefined when it printed and ended as expected, else what to tell the reader. */
export function play(exchange: Exchange, env: Readonly<Record<string, string>>): string | undefined {
  const { stdout, status, error } = spawnSync('sh', ['-c', `exec 2>&1\n${exchange.command}`], {
    env,
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (error) throw error
  const printed = stdout.split('\n').filter((line) => line !== '')
  if (status === exchange.status && isMatch(printed, exchange.expected)) return undefined
  return [
    `line ${exchange.line}: $ ${exchange.command}`,
    `expected (status ${exchange.status}):`,
    ...exchange.expected.map((line) => `  ${line}`),
    `printed (status ${status}):`,
    ...printed.map((line) => `  ${line}`),
  ].join('\n')
}

export function isMatch(printed: readonly string[], expected: readonly string[]): boolean {
  const [first, ...others] = expected
  if (first === undefined) return printed.length === 0
  if (first === '…') return others.length === 0 || printed.some((_, index) => isMatch(printed.slice(index), others))
  return printed[0] !== undefined && patternOf(first).test(printed[0]) && isMatch(printed.slice(1), others)
}

function patternOf(line: string): RegExp {
  const parts = line.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 'u')
}
