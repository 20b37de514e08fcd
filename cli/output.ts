// The only place that prints. Results go to standard output, talk to standard error. With --json, standard
// output gets exactly one JSON document, also for an error. Text from outside loses its control characters
// here, so that no recipe, log or server can move the cursor or change the title of a terminal.
import { AbnError } from '../format/errors.ts'

// As an import it would load far more (node:fs/promises), and this module is on the way of every command.
const { fstatSync, writeSync } = process.getBuiltinModule('node:fs')

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

let printedLines: string[] | undefined = []

/** The lines of the result, with their paint; undefined if this process has said anything else. */
export function linesPrinted(): readonly string[] | undefined {
  return printedLines === undefined || printedLines.length > MOST_LINES ? undefined : printedLines
}

const MOST_LINES = 500

export function outputOf({ isJson, env }: { isJson: boolean; env: NodeJS.ProcessEnv }): Output {
  const { ABNPKG_COLOR: color, ABNPKG_PROGRESS: progress } = env
  const plain = (env.NO_COLOR !== undefined && env.NO_COLOR !== '' && color !== 'always') || color === 'never'
  const isLive = isTerminal(2) && env.TERM !== 'dumb' && env.CI === undefined && progress !== 'never'
  const colours = !plain && (color === 'always' || (env.TERM !== 'dumb' && isTerminal(1) && isTerminal(2)))
  /** The live area as it should be, and how wide the lines are that it has on the terminal now. */
  let area: readonly string[] = []
  let shown: readonly number[] = []

  const paint = (name: Paint, text: string) => `${marks[Object.keys(colourCodes).indexOf(name)]}${text}${reset}`
  const render = (text: string) =>
    printable(text).replace(/[\uf8f0-\uf8f4\uf8ff]/g, (mark) => {
      if (!colours) return ''
      return mark === reset ? '\x1b[0m' : `\x1b[${Object.values(colourCodes)[marks.indexOf(mark)]}m`
    })
  // To the first line of the live area. A terminal that became narrower has wrapped its lines.
  const rewind = () => {
    const columns = process.stderr.columns || 80
    const rows = shown.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0)
    shown = []
    return rows > 0 ? `\x1b[${rows}F` : ''
  }
  const erase = () => (shown.length > 0 ? `${rewind()}\x1b[J` : '')
  // Lines are written over the old ones and all at once (mode 2026), so that nothing flickers, and never wrap (mode 7).
  const redraw = (before: string) => {
    const { columns = 80, rows = 24 } = process.stderr
    const lines = area.slice(0, Math.max(1, rows - 1)).map((line) => clip(oneLine(line), columns - 1))
    const start = before === '' ? rewind() : erase()
    shown = lines.map(widthOf)
    const text = lines.map((line) => `${render(line + reset)}\x1b[K\n`).join('')
    write(2, `\x1b[?2026h${start}${before}\x1b[?7l${text}\x1b[?7h\x1b[J\x1b[?2026l`)
  }
  const note = (text: string) => {
    printedLines = undefined
    if (area.length > 0) redraw(`${render(text)}\n`)
    else write(2, `${render(text)}\n`)
  }
  return {
    isJson,
    isLive,
    paint,
    note,
    line: (text = '') => {
      if (isJson) return
      printedLines?.push(text)
      if (shown.length > 0) write(2, erase())
      write(1, `${render(text)}\n`)
    },
    document: (value) => {
      if (!isJson) return
      printedLines = undefined
      write(1, `${JSON.stringify(value, undefined, 2)}\n`)
    },
    raw: (bytes) => {
      printedLines = undefined
      write(1, bytes)
    },
    live: (lines) => {
      if (!isLive) return
      area = lines
      if (area.length > 0) redraw('')
      else if (shown.length > 0) write(2, erase())
    },
    failure: (error) => {
      const { code, message, causes, hint } = describe(error)
      note(`${paint('red', `error[${code}]`)}: ${message}`)
      for (const cause of causes) note(`  cause: ${cause}`)
      if (hint) note(`hint: ${hint}`)
      if (!isJson || code === 'ABN_STDOUT') return
      try {
        write(1, `${JSON.stringify({ error: { code, message, causes, hint } }, undefined, 2)}\n`)
      } catch {
        // Standard error has told it.
      }
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

/** At most so many columns, with … where something is left out. */
export function clip(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let width = 1
  let end = 0
  for (const character of text) {
    width += columnsOf(character)
    if (width > columns) break
    end += character.length
  }
  return `${text.slice(0, end)}…`
}

export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += columnsOf(character)
  return width
}

/** None for the marks of `paint` and what combines with the letter before, two for wide letters and emoji (Unicode UAX 11). */
function columnsOf(character: string): number {
  if (character >= ' ' && character <= '~') return 1
  if (/[\uf8f0-\uf8f4\uf8ff\p{M}]/u.test(character)) return 0
  return wide.test(character) ? 2 : 1
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u

/** What can stand in one line of the live area. */
function oneLine(text: string): string {
  return printable(text.replace(/[\t\n]+/g, ' '))
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
      // The reader went away (`abnpkg search | head`): nobody is left to print to. The status is that of a program which the
      // signal ends; Node ignores the signal.
      if (code === 'EPIPE') process.exit(141)
      if (code !== 'EAGAIN' && descriptor === 2) return
      if (code !== 'EAGAIN') {
        throw new AbnError('ABN_STDOUT', `standard output cannot be written: ${String(code)}`, {
          hint: code === 'ENOSPC' ? 'make room where it goes to' : 'look where it goes to',
          cause: error,
        })
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}
