/**
 * The sessions of this machine, var/sessions: `SESSION.json`, the document by the digest of the session in it, and
 * `collateral-DIGEST.json`, what its quote was verified with. They outlive the process, as statements do: a cache that is new is given
 * both. Nothing here is secret. Crash order: collateral, document, then the first attestation that refers to it. A file that is damaged
 * counts as not there: what it signed is then signed anew, by the operator.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { parseSha256, type Sha256 } from '../../format/hash.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { sha256 } from '../../trust/crypto.ts'
import type { PublicKey } from '../../trust/key.ts'
import { type VerifiedSession, verifySession } from '../../trust/session.ts'
import { parseSessionDocument, type SessionDocument } from '../../trust/session-evidence.ts'
import { type Collateral, encodeCollateral } from '../../trust/tee/collateral.ts'

/** A session that this operator has signed. */
export type KeptSession = {
  readonly document: SessionDocument
  readonly session: VerifiedSession
  /** What the document names, as caches take it; undefined without a TEE, or when it is gone. */
  readonly collateral: Uint8Array | undefined
}

export type KeptSessions = {
  /** By the digest of the session as it was signed. */
  find(session: Sha256): KeptSession | undefined
  /** Throws ABN_DISK_FULL or ABN_STORE_UNUSABLE. */
  keep(document: SessionDocument, collateral: Collateral | undefined): KeptSession
}

/** Those of one operator's key. */
export function openKeptSessions(store: Store, operatorKey: PublicKey): KeptSessions {
  const directory = sessionDirectoryOf(store)
  const known = new Map<Sha256, KeptSession>()
  /** Many sessions name the same, when each build has its own. */
  const texts = new Map<Sha256, Uint8Array>()
  const remember = (session: VerifiedSession, document: SessionDocument): KeptSession => {
    const { collateral: digest } = document
    const collateral = digest === null ? undefined : (texts.get(digest) ?? collateralAt(directory, digest))
    if (digest !== null && collateral !== undefined) texts.set(digest, collateral)
    const kept = { document, session, collateral }
    if (known.size >= maximumKnown) known.clear()
    known.set(session.digest, kept)
    return kept
  }
  return {
    find(digest) {
      const found = known.get(digest)
      if (found) return found
      const document = documentAt(join(directory, `${digest}.json`))
      const session = document?.session.digest === digest ? ownSession(document, operatorKey) : undefined
      return document && session && remember(session, document)
    },
    keep(document, collateral) {
      const session = verifySession(document.session, operatorKey)
      withDiskErrors(`cannot make ${directory}`, () => mkdirSync(directory, { recursive: true }))
      if (collateral !== undefined) {
        const { digest } = collateral
        const isThere = collateralAt(directory, digest) !== undefined
        if (!isThere) writeDurably(collateralPathOf(directory, digest), encodeCollateral(collateral))
      }
      writeDurably(join(directory, `${session.digest}.json`), document.bytes)
      return remember(session, document)
    },
  }
}

/** Removes sessions to which nothing refers, and collateral that none of the others names. For the service, before its own begins. */
export function removeUnusedSessions(store: Store, used: ReadonlySet<Sha256>): void {
  const directory = sessionDirectoryOf(store)
  if (!existsSync(directory)) return
  const files = readdirSync(directory)
  const named = new Set<string>()
  for (const file of files.filter((name) => /^[0-9a-f]{64}\.json$/.test(name))) {
    const digest = parseSha256(file.slice(0, -'.json'.length))
    const document = used.has(digest) ? documentAt(join(directory, file)) : undefined
    if (document?.session.digest !== digest) rmSync(join(directory, file), { force: true })
    else if (document.collateral !== null) named.add(document.collateral)
  }
  for (const file of files) {
    const [, digest] = /^collateral-([0-9a-f]{64})\.json$/.exec(file) ?? []
    if (digest !== undefined && !named.has(digest)) rmSync(join(directory, file), { force: true })
  }
}

export function sessionDirectoryOf({ root }: Store): string {
  return `${root}/var/sessions`
}

const maximumKnown = 2000

/** Undefined for another key's. */
function ownSession(document: SessionDocument, operatorKey: PublicKey): VerifiedSession | undefined {
  try {
    return verifySession(document.session, operatorKey)
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}

function documentAt(path: string): SessionDocument | undefined {
  if (!existsSync(path)) return undefined
  try {
    return parseSessionDocument(readFileSync(path))
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}

function collateralAt(directory: string, digest: Sha256): Uint8Array | undefined {
  const path = collateralPathOf(directory, digest)
  const bytes = existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined
  return bytes !== undefined && sha256(bytes) === digest ? bytes : undefined
}

function collateralPathOf(directory: string, digest: Sha256): string {
  return join(directory, `collateral-${digest}.json`)
}
