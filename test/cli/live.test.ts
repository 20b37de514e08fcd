// What a person sees on a terminal: the command runs on a pseudo-terminal, and what it writes is played on a small one here.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { clip, widthOf } from '../../cli/output.ts'
import { launcher, makeHome } from '../_support/channel.ts'

const columns = 50
const rows = 8
const introducer = '\x1b'

test('progress on a terminal stays in its lines, and nothing of it is left', (t) => {
  using home = makeHome()
  writeFileSync(join(home.channel, 'recipes/packages/loud.ts'), loud)
  const command = `stty cols ${columns} rows ${rows}; "${launcher}" build loud --timeout 2s; echo the end`
  const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
    env: { ...home.env, TERM: 'xterm', SHELL: '/bin/sh' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const screen = new Screen()
  const live: string[][] = []
  for (const piece of stdout.split(new RegExp(`(?<=${introducer}\\[\\?2026l)`))) {
    screen.write(piece)
    if (piece.endsWith('\x1b[?2026l')) live.push(screen.lines().slice(-2))
  }
  const [building = '', done] = live.findLast(([line]) => line?.includes('building loud')) ?? []
  t.regex(building, /^ {3}[ 0-9.]{3} s {2}building loud 1 {2}long line 漢.*…$/)
  t.is(done, '  1 of 2 done')
  const lines = screen.lines()
  t.is(lines.filter((line) => /[0-9] s {2}building|of 2 done/.test(line)).length, 0, lines.join('\n'))
  t.true(lines.some((line) => /^built tool 1 in .* \(1 of 2\)$/.test(line)))
  t.is(lines.at(-1), 'the end')
})

test('text is cut to columns, not to characters', (t) => {
  t.is(clip('plain', 5), 'plain')
  t.is(clip('longer', 5), 'long…')
  t.is(clip('漢字漢字', 7), '漢字漢…')
  t.is(clip('漢字漢字', 6), '漢字…')
  t.deepEqual(['', 'a', 'é', 'e\u0301', '漢', '🎉', '\uf8f1a\uf8ff'].map(widthOf), [0, 1, 1, 1, 2, 2, 1])
})

const imports = ["{ out, recipe, steps } from 'abnpkg'", "{ tool } from './tool.ts'"]
const loud = `${imports.map((what) => `import ${what}\n`).join('')}
export const loud = recipe({
  name: 'loud', version: '1', summary: 'says much and never ends', license: 'MPL-2.0', tools: [tool],
  build: steps({ directories: [out], steps: [['tool', 'hang', 'long\\tline ' + '漢字'.repeat(50)]] }),
})
`

/** As much of ECMA-48 as the commands use; no line of ours is longer than it says, so that it wraps what is. */
class Screen {
  readonly #cells: string[][] = [[]]
  #row = 0
  #column = 0
  #wraps = true

  write(text: string): void {
    for (const [part, final] of text.matchAll(new RegExp(`${introducer}\\[[?0-9;]*([A-Za-z])|[^]`, 'gu'))) {
      if (final !== undefined) this.#control(part, final)
      else if (part === '\n') this.#row++
      else if (part === '\r') this.#column = 0
      else this.#put(part)
      this.#cells[this.#row] ??= []
    }
  }

  lines(): string[] {
    const lines = this.#cells.map((cells) => cells.join('').trimEnd())
    return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1)
  }

  #control(part: string, final: string): void {
    const count = Number(/\d+/.exec(part)?.[0] ?? 1)
    if (final === 'F') [this.#row, this.#column] = [this.#row - count, 0]
    else if (final === 'J') {
      this.#cells.length = this.#row + 1
      this.#cells[this.#row]?.splice(this.#column)
    } else if (final === 'K') this.#cells[this.#row]?.splice(this.#column)
    else if (part === '\x1b[?7l' || part === '\x1b[?7h') this.#wraps = final === 'h'
    else if (final !== 'm' && !part.startsWith('\x1b[?2026')) throw new TypeError(`unknown control sequence ${part}`)
  }

  #put(character: string): void {
    const width = widthOf(character)
    if (this.#column + width > columns) {
      if (!this.#wraps) throw new Error('a line is too long')
      this.#row++
      this.#column = 0
      this.#cells[this.#row] ??= []
    }
    const line = this.#cells[this.#row] ?? []
    line[this.#column] = character
    if (width === 2) line[this.#column + 1] = ''
    this.#column += width
  }
}
