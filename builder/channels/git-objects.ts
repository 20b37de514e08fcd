/**
 * Objects of git, read strictly from their bytes: their names are hashed again here, so that no replacement, graft or damage in
 * a repository, and no mistake in git itself, can put one object in the place of another. SHA-1 and SHA-256 repositories.
 * Formats: git's Documentation/gitformat-signature.txt and "git help cat-file"; a header that is not known is refused.
 */
import { createHash } from 'node:crypto'
import { AbnError } from '../../format/errors.ts'
import { compareBytewise } from '../../format/order.ts'

declare const brand: unique symbol

/** The full name of an object: 40 lowercase hexadecimal digits (SHA-1) or 64 (SHA-256). */
export type ObjectId = string & { readonly [brand]: 'ObjectId' }

export type ObjectKind = 'commit' | 'tree' | 'blob'

export type Commit = {
  readonly tree: ObjectId
  readonly parents: readonly ObjectId[]
  /** In seconds since 1970; whoever commits says what it likes. */
  readonly time: number
  /** In armour; undefined for a commit that is not signed. */
  readonly signature: string | undefined
  /** What the signature is over: the commit without it. */
  readonly signed: Uint8Array
}

export type TreeEntry = { readonly kind: EntryKind; readonly name: string; readonly id: ObjectId }
export type EntryKind = 'directory' | 'file' | 'program' | 'link' | 'submodule'

/** Throws ABN_CHANNEL_COMMIT. */
export function parseObjectId(text: string): ObjectId {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text)) return text as ObjectId
  throw new AbnError('ABN_CHANNEL_COMMIT', `not the full name of a commit: ${JSON.stringify(text.slice(0, 80))}`, {
    hint: 'write all of its 40 hexadecimal digits, as git rev-parse prints them; names of branches and tags can move',
  })
}

/** Throws ABN_CHANNEL_OBJECT unless these are the bytes of that object. */
export function requireObject(id: ObjectId, kind: ObjectKind, bytes: Uint8Array): void {
  const hash = createHash(id.length === 40 ? 'sha1' : 'sha256')
    .update(`${kind} ${bytes.length}\0`)
    .update(bytes)
  if (hash.digest('hex') !== id) throw invalid(id, `its bytes are not those of this ${kind}`)
}

/** Throws ABN_CHANNEL_OBJECT. */
export function parseCommit(id: ObjectId, bytes: Uint8Array): Commit {
  const raw = Buffer.from(bytes)
  const end = raw.indexOf('\n\n')
  if (end < 0 || raw.subarray(0, end).includes(0)) throw invalid(id, 'its header does not end')
  const headers = headersOf(id, raw.subarray(0, end).toString('latin1'))
  const signatureName = id.length === 40 ? 'gpgsig' : 'gpgsig-sha256'
  const order = ['tree', 'parent', 'author', 'committer', 'encoding', signatureName]
  let last = 0
  for (const { name } of headers) {
    const place = order.indexOf(name)
    if (place < 0) throw invalid(id, `its header ${JSON.stringify(name.slice(0, 40))} is not allowed in a channel`)
    if (place < last || (place === last && name !== 'parent' && name !== 'tree')) throw disorder(id, name)
    last = place
  }
  const all = (name: string) => headers.filter((header) => header.name === name)
  const [tree, secondTree] = all('tree')
  const [committer] = all('committer')
  if (tree === undefined || all('author').length !== 1 || committer === undefined) {
    throw invalid(id, 'its tree, author or committer is missing')
  }
  if (secondTree !== undefined) throw disorder(id, 'tree')
  const [signature] = all(signatureName)
  const parents = all('parent').map(({ value }) => idIn(id, value))
  if (new Set(parents).size !== parents.length) throw invalid(id, 'it has the same parent twice')
  const signed =
    signature === undefined ? raw : Buffer.concat([raw.subarray(0, signature.start), raw.subarray(signature.end)])
  return { tree: idIn(id, tree.value), parents, time: timeOf(id, committer.value), signature: signature?.value, signed }
}

/** Throws ABN_CHANNEL_OBJECT. Entries in git's order; names that a file system could confuse are refused. */
export function parseTree(id: ObjectId, bytes: Uint8Array): readonly TreeEntry[] {
  const raw = Buffer.from(bytes)
  const idBytes = id.length / 2
  const entries: TreeEntry[] = []
  const seen = new Set<string>()
  let previous = ''
  for (let at = 0; at < raw.length; ) {
    const space = raw.indexOf(0x20, at)
    const end = space < 0 ? -1 : raw.indexOf(0, space)
    if (end < 0 || end + 1 + idBytes > raw.length) throw invalid(id, 'a directory in it ends too early')
    const kind = KINDS.get(raw.toString('latin1', at, space))
    const name = nameOf(id, raw.subarray(space + 1, end))
    if (kind === undefined) throw invalid(id, `${JSON.stringify(name)} in it has a mode that is not allowed`)
    const key = kind === 'directory' ? `${name}/` : name
    if (previous !== '' && compareBytewise(previous, key) >= 0) throw invalid(id, 'a directory in it is not sorted')
    const folded = name.normalize('NFKC').toLowerCase()
    if (seen.has(folded)) throw invalid(id, `two names in it are the same but for their case: ${JSON.stringify(name)}`)
    seen.add(folded)
    previous = key
    at = end + 1 + idBytes
    entries.push({ kind, name, id: parseObjectId(raw.toString('hex', end + 1, at)) })
  }
  return entries
}

const KINDS: ReadonlyMap<string, EntryKind> = new Map([
  ['40000', 'directory'],
  ['100644', 'file'],
  ['100755', 'program'],
  ['120000', 'link'],
  ['160000', 'submodule'],
])

type Header = { readonly name: string; readonly value: string; readonly start: number; readonly end: number }

/** A line that begins with a space goes on with the header before it. Positions are in bytes, the newline included. */
function headersOf(id: ObjectId, text: string): readonly Header[] {
  const headers: Header[] = []
  let at = 0
  for (const line of text.split('\n')) {
    const start = at
    at += line.length + 1
    const before = headers.at(-1)
    if (line.startsWith(' ') && before !== undefined) {
      headers[headers.length - 1] = { ...before, value: `${before.value}\n${line.slice(1)}`, end: at }
      continue
    }
    const [, name = '', value = ''] = /^([a-z0-9-]+) (.+)$/.exec(line) ?? []
    if (name === '') throw invalid(id, 'a line of its header has no name')
    headers.push({ name, value, start, end: at })
  }
  const many = headers.find(({ name, value }) => value.includes('\n') && !name.startsWith('gpgsig'))
  if (many !== undefined) throw invalid(id, `its header ${many.name} has several lines`)
  return headers
}

function idIn(commit: ObjectId, text: string): ObjectId {
  if (!/^[0-9a-f]+$/.test(text) || text.length !== commit.length) throw invalid(commit, 'it names no object')
  return parseObjectId(text)
}

/** `Name <address> seconds zone` */
function timeOf(id: ObjectId, committer: string): number {
  const seconds = /^[^<>\n]*<[^<>\n]*> (\d{1,12}) [+-]\d{4}$/.exec(committer)?.[1]
  if (seconds === undefined) throw invalid(id, 'its committer is not written as git writes it')
  return Number(seconds)
}

function nameOf(id: ObjectId, bytes: Buffer): string {
  const name = bytes.toString('utf8')
  const isPlain = Buffer.from(name).equals(bytes) && name !== '' && bytes.length <= 255
  if (!isPlain || name === '.' || name === '..' || /[/\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|^\.git$/iu.test(name)) {
    throw invalid(id, `a name in it is not allowed: ${JSON.stringify(name.slice(0, 80))}`)
  }
  return name
}

function disorder(id: ObjectId, name: string): AbnError {
  return invalid(id, `its header ${name} is there twice, or in the wrong place`)
}

function invalid(id: ObjectId, reason: string): AbnError {
  return new AbnError('ABN_CHANNEL_OBJECT', `object ${id} of the channel is not as it should be: ${reason}`)
}
