// From the seed to tcc, and from the seed to an installed hello, stage by stage. The limits: 5 s and 60 s on 2 cores.
//
//   npm run bench:bootstrap
//
// Sources are downloaded first and not counted; the store is empty. The ladder runs as plain child processes, the
// installation as `abnpkg install hello`, with everything that belongs to it: sandboxes, patches, digests, registration.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { runLadder } from '../bootstrap/ladder.ts'
import { evaluate, ownChannel } from '../builder/evaluate/evaluate.ts'
import { findPackage } from '../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../builder/evaluate/package.ts'
import { fetchSources } from '../builder/fetch/sources.ts'
import { planBuild } from '../builder/realise/plan.ts'
import { prepareBuild } from '../builder/realise/prepare.ts'
import { removeDirectory } from '../store/remove-directory.ts'
import { openStore } from '../store/store.ts'

const limits = { ladder: 5, hello: 60 }
const house = join(import.meta.dirname, '..')
const scratch = mkdtempSync(join(tmpdir(), 'abnpkg-bench-'))
const cacheDirectory = process.env.ABNPKG_SOURCE_CACHE ?? join(scratch, 'sources')

try {
  const evaluation = await evaluate([ownChannel])
  const hello = await findPackage(evaluation, 'hello')
  const store = openStore({ root: join(scratch, 'plan') })
  const plan = planBuild([hello], { store, packages: evaluation, sourceCache: cacheDirectory })
  const downloads = plan.downloads.map(({ sha256, hint }) => ({ sha256, hint }))
  console.log(`downloading ${downloads.length} sources (not counted)`)
  await fetchSources(downloads, { cacheDirectory, channelRoot: house })

  console.log(`\nfrom the seed to tcc, ${availableParallelism()} cores`)
  const directories = { 'tcc-source': await unpackedSource(await findPackage(evaluation, 'tcc')) }
  const rungs = await runLadder({ outDir: join(scratch, 'ladder'), directories })
  for (const { stage, milliseconds } of rungs) row(`${stage.number} ${stage.name}`, milliseconds / 1000, stage.summary)
  const ladder = rungs.reduce((sum, { milliseconds }) => sum + milliseconds / 1000, 0)

  console.log('\nfrom the seed to hello, installed')
  const seconds = await install()

  console.log()
  const isHeld = [
    verdict(`seed → ${rungs.at(-1)?.stage.name}`, ladder, limits.ladder),
    verdict('seed → hello', seconds, limits.hello),
  ]
  if (isHeld.includes(false)) process.exitCode = 1
} finally {
  removeDirectory(scratch)
}

/** The package's sources with patches, as a build would find them. */
async function unpackedSource({ derivation, metadata }: EvaluatedPackage): Promise<string> {
  const directory = join(scratch, `source-${derivation.name}`)
  mkdirSync(directory)
  const requests = derivation.sources
    .flatMap(({ sha256, patches }) => [sha256, ...patches])
    .flatMap((sha256) => {
      const hint = metadata.sources[sha256]
      return hint ? [{ sha256, hint }] : []
    })
  const files = await fetchSources(requests, { cacheDirectory, channelRoot: house })
  await prepareBuild({ ...derivation, directories: [], files: [] }, { build: directory, outputs: new Map() }, { files })
  return directory
}

/** Seconds from start to end; prints what abnpkg says was built. */
async function install(): Promise<number> {
  const env = { ...process.env, ABNPKG_ROOT: join(scratch, 'root'), ABNPKG_SOURCE_CACHE: cacheDirectory }
  const began = performance.now()
  const child = spawn(join(house, 'abnpkg'), ['install', 'hello'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let rest = ''
  let said = ''
  for await (const text of child.stderr.setEncoding('utf8')) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    said += text
    for (const line of lines) {
      const built = /^built (\S+ \S+) in ([0-9.]+) s/.exec(line)
      if (built) row(built[1] ?? '', Number(built[2]), '')
    }
  }
  const status = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)))
  if (status !== 0) throw new Error(`abnpkg install hello failed:\n${said}`)
  return (performance.now() - began) / 1000
}

function row(name: string, seconds: number, note: string): void {
  console.log(`  ${name.padEnd(28)} ${seconds.toFixed(3).padStart(8)} s  ${note}`.trimEnd())
}

function verdict(name: string, seconds: number, limit: number): boolean {
  const isHeld = seconds <= limit
  const ratio = (seconds / limit).toFixed(2)
  console.log(`${name}: ${seconds.toFixed(2)} s, ${ratio} × the limit of ${limit} s: ${isHeld ? 'held' : 'MISSED'}`)
  return isHeld
}
