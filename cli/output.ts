// The only place that prints. Results go to standard output, talk to standard error. With --json, standard
// output gets exactly one JSON document, also for an error. Text from outside loses its control characters
// here, so that no recipe, log or server can move the cursor or change the title of a terminal.
import { fstatSync, writeSync } from 'node:fs'

export type Paint = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

export type Output = {
  readonly isJson: boolean
  /** Whether standard error is a terminal, so that live progress makes sense. */
  readonly isLive: boolean
  /** One line of the result for a person; nothing under --json. */
  readonly line: (text?: string) => void
  /** The result for a program; nothing without --json. Called once by a command that succeeds. */
  readonly document: (value: unknown) => void
  /** One line of talk. */
  readonly note: (text: string) => void
  /** Bytes that are themselves the result, for example an archived log. */
  readonly raw: (bytes: Uint8Array) => void
  /** Rewrites the live area at the bottom of the terminal with these lines; none clears it. */
  readonly live: (lines: readonly string[]) => void
  readonly failure: (error: unknown) => void
  readonly paint: (paint: Paint, text: string) => string
}

const colourCodes: Readonly<Record<Paint, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 }

// `paint` marks text with private-use characters, so that escape sequences are made here only, after stripping.
const marks = Object.keys(colourCodes).map((_, index) => String.fromCharCode(0xf8f0 + index))
const reset = '\uf8ff'

export function outputOf({ isJson, env }: { isJson: boolean; env: NodeJS.ProcessEnv }): Output {
  const plain = env.NO_COLOR !== undefined && env.NO_COLOR !== ''
  const isLive = isTerminal(2) && env.TERM !== 'dumb' && env.CI === undefined
  const colours = !plain && env.TERM !== 'dumb' && isTerminal(1) && isTerminal(2)
  let shown = 0

  const paint = (name: Paint, text: string) => `${marks[Object.keys(colourCodes).indexOf(name)]}${text}${reset}`
  const render = (text: string) =>
    printable(text).replace(/[\uf8f0-\uf8f4\uf8ff]/g, (mark) => {
      if (!colours) return ''
      return mark === reset ? '\x1b[0m' : `\x1b[${Object.values(colourCodes)[marks.indexOf(mark)]}m`
    })
  const erase = () => {
    const bytes = shown > 0 ? `\x1b[${shown}F\x1b[J` : ''
    shown = 0
    return bytes
  }
  const note = (text: string) => write(2, `${erase()}${render(text)}\n`)
  return {
    isJson,
    isLive,
    paint,
    note,
    line: (text = '') => isJson || write(1, `${render(text)}\n`),
    document: (value) => isJson && write(1, `${JSON.stringify(value, undefined, 2)}\n`),
    raw: (bytes) => write(1, bytes),
    live: (lines) => {
      if (!isLive) return
      const width = Math.max(20, process.stderr.columns || 80)
      const text = lines.map((line) => `${render(clip(line, width - 1) + reset)}\n`).join('')
      write(2, erase() + text)
      shown = lines.length
    },
    failure: (error) => {
      const { code, message, causes, hint } = describe(error)
      note(`${paint('red', `error[${code}]`)}: ${message}`)
      for (const cause of causes) note(`  cause: ${cause}`)
      if (hint) note(`hint: ${hint}`)
      if (isJson) write(1, `${JSON.stringify({ error: { code, message, causes, hint } }, undefined, 2)}\n`)
    },
  }
}

/** Text without control characters (but tab and line feed) and without those that reorder or hide text. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '\n' || character === '\t' ? character : '',
  )
}

/** Bytes as a person reads them: 1.5 kB, 12 MB. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** Seconds as a person reads them: 0.4 s, 12 s, 3 min 5 s. */
export function timeText(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

type Description = { code: string; message: string; causes: string[]; hint: string | undefined }

function describe(error: unknown): Description {
  if (!(error instanceof Error)) return { code: 'ABN_BUG', message: String(error), causes: [], hint: bugHint }
  const isOurs = 'code' in error && typeof error.code === 'string' && error.code.startsWith('ABN_')
  const causes: string[] = []
  for (let cause = error.cause, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++)
    causes.push(cause.message)
  if (!isOurs && process.env.ABNPKG_DEBUG === undefined)
    causes.unshift((error.stack ?? '').split('\n')[1]?.trim() ?? '')
  if (process.env.ABNPKG_DEBUG !== undefined) causes.push(error.stack ?? '')
  return {
    code: isOurs ? String(error.code) : 'ABN_BUG',
    message: error.message,
    causes: causes.filter((cause) => cause !== '' && !error.message.includes(cause)),
    hint: isOurs ? ('hint' in error && typeof error.hint === 'string' ? error.hint : undefined) : bugHint,
  }
}

const bugHint = 'this is a mistake in abnpkg; run it again with ABNPKG_DEBUG=1 and report what it prints'

function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}

// A descriptor that is a terminal is a character device other than the null device; node:tty would tell more
// exactly, and loading it costs more than the rest of this module.
function isTerminal(descriptor: number): boolean {
  try {
    const { rdev, mode } = fstatSync(descriptor)
    const isCharacterDevice = (mode & 0o170000) === 0o020000
    const major = Math.floor(rdev / 256) & 0xfff
    return isCharacterDevice && major !== 1
  } catch {
    return false
  }
}

function write(descriptor: number, data: string | Uint8Array): void {
  let left = typeof data === 'string' ? Buffer.from(data) : data
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(descriptor, left))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      // The reader went away (`abnpkg search | head`): nobody is left to print to.
      if (code === 'EPIPE') process.exit(descriptor === 1 ? 0 : 1)
      if (code !== 'EAGAIN' && descriptor === 2) return
      if (code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}
