/**
 * Makes the closures that substitution is measured with, of the shape "items-1000": most items are directories of 50 to 500
 * small texts, a few hold large files, about half a megabyte an item; two thirds of the files occur more than once. Everything that a
 * client or a peer needs is written below one directory, as any static web server can serve it.
 */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { constants as zlib, zstdCompressSync } from 'node:zlib'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { outputPathsOf } from '../../builder/realise/plan.ts'
import { encodeArchive } from '../../format/archive/encode.ts'
import { type ArchiveEntry, archiveNameOf } from '../../format/archive/entry.ts'
import { encodeDerivation } from '../../format/derivation.ts'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import { attest } from '../../trust/attestation.ts'
import { encodeBundle } from '../../trust/bundle.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { encodePublicKey } from '../../trust/key.ts'
import { newSecretKey } from '../../trust/secret-key.ts'
import { generator } from '../random.ts'
import { packageOf } from './client.ts'
import { encodeNar, nixPathOf, writeNarinfo } from './nix.ts'

export type Generated = {
  readonly files: number
  /** Of the archives, and compressed. */
  readonly bytes: number
  readonly packed: number
  readonly attestations: number
  readonly bundle: number
  /** What Nix is asked for. */
  readonly nixTarget: string
}

const OPERATORS = ['alice', 'bob', 'carol']

/**
 * Items stand in twelve layers; each refers to a few of the layers below, some of which many refer to, and the last one to all that nobody
 * else refers to. `nix`: also for Nix, which takes as much again.
 */
export function generate(data: string, items: number, { nix }: { nix: boolean }): Generated {
  for (const name of ['v1/archives', 'nix/nar']) mkdirSync(join(data, name), { recursive: true })
  writeFileSync(join(data, 'nix/nix-cache-info'), 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n')
  const keys = OPERATORS.map((name, i) => newSecretKey(`${name}.example/builder`, new Uint8Array(32).fill(i + 1)))
  const now = Math.floor(Date.now() / 1000)
  const random = generator(1)
  const contents = contentsFrom(random)
  const evidence: Evidence[] = []
  const made: { readonly one: EvaluatedPackage; readonly path: StorePath; readonly digest: Sha256 }[] = []
  const unused = new Set<number>()
  const tar = openSync(join(data, 'all.tar'), 'w')
  const totals = { files: 0, bytes: 0, packed: 0 }
  for (let i = 0; i < items; i++) {
    const chosen = i === items - 1 ? new Set(unused) : lowerThan(i, items, random)
    const inputs = [...chosen].flatMap((j) => made[j] ?? []).sort((a, b) => compareBytewise(a.path, b.path))
    for (const j of chosen) unused.delete(j)
    unused.add(i)
    const one = packageOf({
      name: `item${i}`,
      version: '1',
      system: 'x86_64-linux',
      outputs: ['out'],
      inputs: inputs.map(({ one: { recipeHash }, path }) => ({ recipe: recipeHash, output: 'out', path })),
      sources: [],
      directories: [],
      files: [],
      links: [],
      env: {},
      steps: [],
    })
    const path = outputPathsOf(one).get('out')
    if (path === undefined) throw new TypeError('no output')
    const references = inputs.map((input) => input.path)
    const entries = entriesOf(path, references, { contents, random, isLarge: i % 50 === 25 })
    totals.files += entries.filter(({ kind }) => kind === 'file').length
    const archive = Buffer.concat([...encodeArchive(storeItemOf(path), entries)])
    const digest = sha256Of(archive)
    const packed = pack(archive)
    totals.bytes += archive.length
    totals.packed += packed.length
    writeFileSync(join(data, 'v1/archives', digest), packed)
    // One archive of everything: the blocks that end each would end it too early.
    writeSync(tar, archive, 0, archive.length - 1024)
    if (nix) {
      const nar = encodeNar(entries)
      writeFileSync(join(data, 'nix/nar', `${digest}.nar.zst`), pack(nar))
      writeNarinfo(join(data, 'nix'), { path, digest, nar, references })
    }
    for (const key of keys) {
      const { name, version, system } = one.derivation
      const statement = {
        recipe: one.recipeHash,
        name,
        version,
        system,
        sources: [],
        outputs: [{ output: 'out', path, digest, bytes: archive.length, references }],
        inputs: inputs.map((input) => ({
          path: input.path,
          recipe: input.one.recipeHash,
          output: 'out',
          digest: input.digest,
        })),
        builder: { kind: 'operator', key: key.publicKey.id, software: { abnpkg: '0.1.0' } },
        origin: 'built',
        invocation: `build-${i}`,
        started: now - 100,
        finished: now - 10,
        expires: now + 86_400,
        log: null,
        tests: null,
      } as const
      evidence.push({ kind: 'attestation', bytes: attest(statement, key).bytes })
    }
    made.push({ one, path, digest })
  }
  writeSync(tar, Buffer.alloc(1024))
  closeSync(tar)
  const bundle = zstdCompressSync(encodeBundle(evidence))
  writeFileSync(join(data, 'v1/closures'), bundle)
  const texts = made.map(({ one }) => Buffer.from(encodeDerivation(one.derivation)).toString('utf8'))
  writeFileSync(join(data, 'derivations.json'), JSON.stringify(texts))
  const operators = keys.map(({ publicKey }, i) => ({ name: OPERATORS[i], keys: [encodePublicKey(publicKey)] }))
  const policy = { format: 1, operators, default: { kind: 'two-independent' }, packages: {} }
  writeFileSync(join(data, 'policy.json'), JSON.stringify(policy))
  const last = made.at(-1)?.path
  return { ...totals, attestations: evidence.length, bundle: bundle.length, nixTarget: last ? nixPathOf(last) : '' }
}

/** One to five of the layers below that of item i. */
function lowerThan(i: number, items: number, random: () => number): ReadonlySet<number> {
  const layer = Math.ceil(items / LAYERS)
  const below = Math.floor(i / layer) * layer
  const count = below === 0 ? 0 : 1 + Math.floor(random() * 5)
  return new Set(Array.from({ length: count }, () => Math.floor(random() ** 2 * below)))
}

const LAYERS = 12

type Contents = { readonly text: () => Buffer; readonly binary: (bytes: number) => Buffer }

type Shape = { readonly contents: Contents; readonly random: () => number; readonly isLarge: boolean }

function entriesOf(
  path: StorePath,
  references: readonly StorePath[],
  { contents, random, isLarge }: Shape,
): ArchiveEntry[] {
  const entries: ArchiveEntry[] = [
    { kind: 'directory', path: '' },
    { kind: 'directory', path: 'lib' },
    { kind: 'directory', path: 'share' },
    file('lib/references', Buffer.from(`${references.join('\n')}\n`)),
    { kind: 'link', path: 'lib/current', target: 'references' },
  ]
  if (isLarge)
    entries.push(file('lib/large', contents.binary(6 * 1024 * 1024 + Math.floor(random() * 4 * 1024 * 1024))))
  const count = 50 + Math.floor(random() * 451)
  for (let i = 0; i < count; i++) {
    const directory = `share/part-${String(i >> 5).padStart(2, '0')}`
    if (i % 32 === 0) entries.push({ kind: 'directory', path: directory })
    entries.push(file(`${directory}/file-${String(i).padStart(4, '0')}.txt`, contents.text(), i % 16 === 0))
  }
  const item = storeItemOf(path)
  return entries.sort((a, b) => compareBytewise(archiveNameOf(item, a), archiveNameOf(item, b)))
}

function file(path: string, content: Buffer, executable = false): ArchiveEntry {
  return { kind: 'file', path, executable, size: content.length, content: content.length === 0 ? [] : [content] }
}

/** Texts of words, a bit more than a kilobyte on average, two thirds of which have occurred before; binaries that compress by half. */
function contentsFrom(random: () => number): Contents {
  const words = Array.from({ length: 3000 }, () => {
    const letters = Array.from({ length: 2 + Math.floor(random() * 9) }, () => 97 + Math.floor(random() ** 2 * 26))
    return String.fromCharCode(...letters)
  })
  const parts: string[] = []
  for (let bytes = 0; bytes < 16 * 1024 * 1024; bytes += parts.at(-1)?.length ?? 0) {
    parts.push(words[Math.floor(random() ** 3 * words.length)] ?? '', random() < 0.1 ? '\n' : ' ')
  }
  const all = Buffer.from(parts.join(''))
  const used: Buffer[] = []
  const text = (): Buffer => {
    const before = random() < 0.66 ? used[Math.floor(random() * used.length)] : undefined
    if (before !== undefined) return before
    const bytes = Math.min(60_000, 100 + Math.floor(-Math.log(1 - random()) * 1100))
    const at = Math.floor(random() * (all.length - bytes))
    const fresh = all.subarray(at, at + bytes)
    used.push(fresh)
    return fresh
  }
  const binary = (bytes: number): Buffer => {
    const content = Buffer.alloc(bytes)
    for (let at = 0; at + 4 <= bytes; at += 8) content.writeUInt32LE(Math.floor(random() * 2 ** 32), at)
    return content
  }
  return { text, binary }
}

function pack(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, { params: { [zlib.ZSTD_c_compressionLevel]: 3 } })
}
