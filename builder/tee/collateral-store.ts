/**
 * Collateral on disk, in var/cache/tee: `DIGEST.json`, which is immutable and what evidence names, and `latest-FMSPC-AUTHORITY.json`, which says
 * which of them was fetched last. Crash order: the document first. What is damaged counts as not there: it can be fetched again.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseCanonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { countOf, fieldsOf, type Place, textOf } from '../../format/fields.ts'
import { parseSha256, type Sha256 } from '../../format/hash.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Layout } from '../../store/layout.ts'
import { makeDirectories } from '../../store/make-directories.ts'
import { writeDurably } from '../../store/write-durably.ts'
import {
  type Collateral,
  encodeCollateral,
  maximumCollateralBytes,
  parseCollateral,
} from '../../trust/tee/collateral.ts'
import type { PlatformFamily } from './collateral-service.ts'

export type KeptCollateral = {
  readonly collateral: Collateral
  /** Seconds since 1970. */
  readonly fetched: number
}

export function teeCacheOf({ cache }: Layout): string {
  return join(cache, 'tee')
}

/** Throws ABN_DISK_FULL or ABN_STORE_UNUSABLE. */
export function keepCollateral(
  directory: string,
  family: PlatformFamily,
  { collateral, fetched }: KeptCollateral,
): void {
  withDiskErrors(`cannot make ${directory}`, () => makeDirectories(directory))
  writeDurably(join(directory, `${collateral.digest}.json`), encodeCollateral(collateral))
  const latest = JSON.stringify({ collateral: collateral.digest, fetched })
  writeDurably(join(directory, latestName(family)), latest)
}

/** What was kept last for this family. */
export function keptCollateral(directory: string, family: PlatformFamily): KeptCollateral | undefined {
  const bytes = contentOf(join(directory, latestName(family)), 1024)
  if (bytes === undefined) return undefined
  return orUndefined(() => {
    const fields = fieldsOf(parseCanonicalJson(bytes), PLACE, ['collateral', 'fetched'])
    const collateral = collateralByDigest(directory, parseSha256(textOf(fields.collateral, PLACE)))
    return collateral && { collateral, fetched: countOf(fields.fetched, PLACE) }
  })
}

/** By the digest that evidence names, however old. */
export function collateralByDigest(directory: string, digest: Sha256): Collateral | undefined {
  const bytes = contentOf(join(directory, `${digest}.json`), maximumCollateralBytes)
  if (bytes === undefined) return undefined
  const collateral = orUndefined(() => parseCollateral(bytes))
  return collateral?.digest === digest ? collateral : undefined
}

const PLACE: Place = { path: '', fail: (reason) => new AbnError('ABN_JSON_INVALID', reason) }

function latestName({ fmspc, authority }: PlatformFamily): string {
  if (!/^[0-9a-f]{12}$/.test(fmspc)) throw new TypeError(`latestName: ${fmspc} is no FMSPC`)
  return `latest-${fmspc}-${authority}.json`
}

function contentOf(path: string, maximum: number): Uint8Array | undefined {
  try {
    return statSync(path).size > maximum ? undefined : new Uint8Array(readFileSync(path))
  } catch {
    return undefined
  }
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}
