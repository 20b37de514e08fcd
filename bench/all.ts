// `npm run bench [-- NAME...]`: all benches of package.json (scripts `bench:NAME`), or those that are named, one after the other, and in the
// end a table of which limits were held. Exits with 1 when one was missed or a bench failed.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const house = join(import.meta.dirname, '..')
const { scripts }: { scripts: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(house, 'package.json'), 'utf8'),
)
const known = Object.keys(scripts).flatMap((name) => (name.startsWith('bench:') ? [name.slice('bench:'.length)] : []))
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !known.includes(name))
if (unknown.length > 0) throw new Error(`there is no bench called ${unknown.join(', ')}; there are ${known.join(', ')}`)

const table: string[] = []
for (const name of known) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  process.stdout.write(`\n== ${name}\n`)
  const start = performance.now()
  const { status, text } = await run(scripts[`bench:${name}`] ?? '')
  const minutes = `${((performance.now() - start) / 60_000).toFixed(1)} min`
  const held = text.match(/\bheld\b/g)?.length ?? 0
  const missed = text.match(/\bMISSED\b/g)?.length ?? 0
  const verdict =
    missed > 0 ? `${missed} MISSED` : status !== 0 ? `failed with status ${status}` : held > 0 ? 'held' : 'no limit'
  table.push(
    `${name.padEnd(12)} ${verdict.padEnd(24)} ${String(held).padStart(3)} of ${held + missed} held  ${minutes}`,
  )
  if (status !== 0 || missed > 0) process.exitCode = 1
}
process.stdout.write(`\n${table.join('\n')}\n`)

/** Prints what the bench prints, as it comes. */
async function run(script: string): Promise<{ readonly status: number | null; readonly text: string }> {
  const [program = '', ...args] = script.split(' ')
  const child = spawn(program === 'node' ? process.execPath : program, args, {
    cwd: house,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
    process.stdout.write(part)
  })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, text }
}
