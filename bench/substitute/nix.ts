/**
 * The same items for Nix: archives in its format (NAR: nested texts, each with its length in eight bytes and filled up to eight) and
 * the files of a binary cache, as described in the manual of Nix, "Binary cache store" and "Nix archive". Each item has one signature
 * (over "1;path;hash;size;references"), which Nix verifies as it does unless told otherwise; our client verifies three.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ArchiveEntry } from '../../format/archive/entry.ts'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { type StorePath, storeHashOf, storeItemOf } from '../../format/store-path.ts'
import { base64Of } from '../../trust/bytes.ts'
import { newSecretKey } from '../../trust/secret-key.ts'

/** Undefined when it is not installed. */
export function nixVersion(): string | undefined {
  const { stdout, status } = spawnSync('nix-store', ['--version'], { encoding: 'utf8' })
  return status === 0 ? /([0-9.]+)/.exec(stdout)?.[1] : undefined
}

export type NixRun = { readonly root: string; readonly address: string; readonly target: string }

/** Arguments and environment of a cold realisation into a store below `root`. */
export function nixCommand({ root, address, target }: NixRun) {
  const home = join(root, 'home')
  mkdirSync(home, { recursive: true })
  const options = {
    substituters: address,
    'trusted-public-keys': `${KEY_NAME}:${base64Of(KEY.publicKey.bytes)}`,
    'build-users-group': '',
    // So many substitutions at once in 2.8; later versions have 16 by a setting of their own, and this changes nothing (measured).
    'max-jobs': '16',
  }
  const args = ['--store', join(root, 'store'), '--realise', target]
  for (const [name, value] of Object.entries(options)) args.push('--option', name, value)
  const env = { PATH: process.env.PATH ?? '', HOME: home, NIX_CONF_DIR: home, XDG_CACHE_HOME: home }
  return { command: 'nix-store', args, env }
}

const KEY_NAME = 'nix.example-1'
const KEY = newSecretKey('nix.example/cache', new Uint8Array(32).fill(9))

/** Base 32 from the last bits to the first. */
function nixHashOf(hash: Uint8Array): string {
  const count = Math.ceil((hash.length * 8) / 5)
  return Array.from({ length: count }, (_, i) => {
    const bit = (count - 1 - i) * 5
    const two = (hash[bit >> 3] ?? 0) | ((hash[(bit >> 3) + 1] ?? 0) << 8)
    return NIX_LETTERS[(two >> (bit & 7)) & 31]
  }).join('')
}

/** Without e, o, t and u, and with digits from 0. */
const NIX_LETTERS = '0123456789abcdfghijklmnpqrsvwxyz'

/** The same hash in Nix's spelling. */
export function nixPathOf(path: StorePath): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567'
  const hash = [...storeHashOf(path)].map((letter) => NIX_LETTERS[letters.indexOf(letter)]).join('')
  return `/nix/store/${hash}${storeItemOf(path).slice(32)}`
}

export type NixItem = {
  readonly path: StorePath
  /** Names the file. */
  readonly digest: Sha256
  readonly nar: Uint8Array
  readonly references: readonly StorePath[]
}

export function writeNarinfo(directory: string, { path, digest, nar, references }: NixItem): void {
  const own = nixPathOf(path)
  const narHash = `sha256:${nixHashOf(Buffer.from(sha256Of(nar), 'hex'))}`
  const others = references.map(nixPathOf).sort()
  const lines = {
    StorePath: own,
    URL: `nar/${digest}.nar.zst`,
    Compression: 'zstd',
    NarHash: narHash,
    NarSize: String(nar.length),
    References: others.map((one) => one.slice('/nix/store/'.length)).join(' '),
    Sig: `${KEY_NAME}:${base64Of(KEY.sign(Buffer.from(`1;${own};${narHash};${nar.length};${others.join()}`)))}`,
  }
  const text = Object.entries(lines).map(([name, value]) => `${name}: ${value}\n`)
  writeFileSync(join(directory, `${own.slice('/nix/store/'.length).slice(0, 32)}.narinfo`), text.join(''))
}

export function encodeNar(entries: readonly ArchiveEntry[]): Uint8Array {
  const below = Map.groupBy(
    entries.filter(({ path }) => path !== ''),
    ({ path }) => path.slice(0, Math.max(0, path.lastIndexOf('/'))),
  )
  const parts: Uint8Array[] = [textOf('nix-archive-1')]
  const put = (...texts: readonly string[]): void => void parts.push(...texts.map(textOf))
  const node = (entry: ArchiveEntry): void => {
    put('(', 'type')
    if (entry.kind === 'file') {
      put('regular', ...(entry.executable ? ['executable', ''] : []), 'contents')
      parts.push(...textParts(Buffer.concat([...entry.content])))
    } else if (entry.kind === 'link') put('symlink', 'target', entry.target)
    else {
      put('directory')
      const nameOf = ({ path }: ArchiveEntry): string => path.slice(path.lastIndexOf('/') + 1)
      const children = (below.get(entry.path) ?? []).toSorted((a, b) => compareBytewise(nameOf(a), nameOf(b)))
      for (const child of children) {
        put('entry', '(', 'name', nameOf(child), 'node')
        node(child)
        put(')')
      }
    }
    put(')')
  }
  node({ kind: 'directory', path: '' })
  return Buffer.concat(parts)
}

function textOf(text: string): Uint8Array {
  return Buffer.concat(textParts(Buffer.from(text)))
}

function textParts(bytes: Buffer): readonly Uint8Array[] {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return [length, bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]
}
