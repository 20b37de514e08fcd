// `npm run bootstrap:ddc [-- --keep DIRECTORY]`: diverse double-compiling (bootstrap/ddc.ts) with sources from where recipes
// have theirs. Prints every comparison with its digests, then the verdict; the exit status is 1 when bits differ.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type DdcOptions, ddcSources, diverseDoubleCompile } from '../bootstrap/ddc.ts'
import { fetchSources } from '../builder/fetch/sources.ts'
import { parseSha256 } from '../format/hash.ts'
import { storeRootFrom } from '../store/root.ts'
import { outputOf } from './output.ts'

/** Downloads what is not in the cache of sources. Throws ABN_SOURCE_…. */
export async function ddcTarballs(cacheDirectory: string): Promise<DdcOptions['tarballs']> {
  const pathOf = async ({ sha256, urls }: (typeof ddcSources)[keyof typeof ddcSources]): Promise<string> => {
    const hash = parseSha256(sha256)
    const options = { cacheDirectory, channelRoot: join(import.meta.dirname, '..') }
    const path = (await fetchSources([{ sha256: hash, hint: { kind: 'urls', urls } }], options)).get(hash)
    if (path === undefined) throw new TypeError(`fetchSources did not answer for ${hash}`)
    return path
  }
  return { tcc: await pathOf(ddcSources.tcc), musl: await pathOf(ddcSources.musl) }
}

async function main(): Promise<void> {
  const output = outputOf({ isJson: false, env: process.env })
  const { keep } = parseArgs({ options: { keep: { type: 'string' } } }).values
  if (keep !== undefined) mkdirSync(keep, { recursive: true })
  const directory = keep === undefined ? mkdtempSync(join(tmpdir(), 'abnpkg-ddc-')) : resolve(keep)
  const cache = process.env.ABNPKG_SOURCE_CACHE ?? join(storeRootFrom(process.env), 'var/cache/sources')
  try {
    const tarballs = await ddcTarballs(cache)
    const { same } = await diverseDoubleCompile({ tarballs, directory, report: output.line })
    output.line(same ? 'verdict: the same bits' : 'verdict: THE BITS DIFFER')
    process.exitCode = same ? 0 : 1
  } catch (error) {
    output.failure(error)
    process.exitCode = 1
  } finally {
    if (keep === undefined) rmSync(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) await main()
