// abnpkg hash FILE|DIRECTORY|NAME
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import { parseStoreItem } from '../../format/store-path.ts'
import type { Arguments } from '../args.ts'
import type { Command } from '../commands.ts'
import { evaluationFor, existingStore } from '../session.ts'

type Hashed = { readonly kind: 'file' | 'directory' | 'output' | 'recipe'; readonly hash: string; readonly of: string }

export const hash: Command = {
  usage: 'PATH|NAME',
  details: [
    'Of a file: its SHA-256. Of a directory: the SHA-256 of its canonical archive, as a git source in a recipe states it;',
    'for a directory of the store that is the output digest. Of a package: its recipe hash.',
    'What has a slash or begins with a dot is a path; anything else is a package, or if there is none, a path.',
  ].join('\n'),
  options: {},
  async run(args, { output, signal }) {
    const [text] = args.names
    if (text === undefined || args.names.length > 1) {
      throw new AbnError('ABN_USAGE', `hash: expected one path or package, got ${args.names.length}`, {
        hint: "see 'abnpkg hash --help'",
      })
    }
    const hashed = /\/|^\./.test(text) ? await hashPath(text, args) : await hashName(text, { args, signal })
    output.line(hashed.hash)
    output.document(hashed)
    return 0
  },
}

async function hashName(
  text: string,
  { args, signal }: { readonly args: Arguments; readonly signal: AbortSignal },
): Promise<Hashed> {
  const { findEntry } = await import('../../builder/evaluate/find.ts')
  try {
    const { recipeHash, name, version } = await findEntry(await evaluationFor(args, signal), text)
    return { kind: 'recipe', hash: recipeHash, of: `${name}@${version}` }
  } catch (error) {
    if (existsSync(text)) return hashPath(text, args)
    throw error
  }
}

async function hashPath(text: string, args: Arguments): Promise<Hashed> {
  const stat = statSync(text, { throwIfNoEntry: false })
  if (stat === undefined)
    throw new AbnError('ABN_USAGE', `hash: there is no ${text}`, {
      hint: "'abnpkg search' lists the packages",
    })
  if (!stat.isDirectory()) return { kind: 'file', hash: sha256Of(readFileSync(text)), of: text }
  const { outputDigestOfDirectory, sourceTreeItem } = await import('../../store/output-digest.ts')
  const directory = realpathSync(text)
  const store = existingStore(args)?.layout.store
  if (store !== undefined && existsSync(store) && dirname(directory) === realpathSync(store)) {
    const { outputDigest } = outputDigestOfDirectory(directory, parseStoreItem(basename(directory)))
    return { kind: 'output', hash: outputDigest, of: directory }
  }
  return { kind: 'directory', hash: outputDigestOfDirectory(directory, sourceTreeItem).outputDigest, of: text }
}
