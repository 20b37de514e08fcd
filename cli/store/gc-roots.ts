// abnpkg gc roots, add-root, remove-root: what is kept from garbage collection, and why.
import { findEntry } from '../../builder/evaluate/find.ts'
import { AbnError } from '../../format/errors.ts'
import { parseStorePath, type StorePath, storeDirectory } from '../../format/store-path.ts'
import { listRoots, type Root, readExplicitRoots, removeRoot, writeRoot } from '../../store/roots.ts'
import type { Arguments } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { evaluationFor, existingStore, storeFor } from '../session.ts'

export async function runRoots(args: Arguments, surroundings: Surroundings): Promise<number> {
  const [word, ...names] = args.names
  if (word === 'roots' && names.length === 0) return list(args, surroundings)
  if (word === 'add-root' && names.length > 1) return add(names, args, surroundings)
  if (word === 'remove-root' && names.length > 0) return remove(names, args, surroundings)
  throw new AbnError(
    'ABN_USAGE',
    `gc: expected nothing, 'roots', 'add-root NAME PACKAGE...' or 'remove-root NAME...', got '${args.names.join(' ')}'`,
    { hint: "see 'abnpkg gc --help'" },
  )
}

function list(args: Arguments, { output }: Surroundings): number {
  const store = existingStore(args)
  const roots = store === undefined ? [] : listRoots(store)
  for (const [reason, some] of Map.groupBy(roots, reasonOf)) {
    output.line(output.paint('bold', reason))
    for (const { path } of some) output.line(`  ${path}${store?.has(path) ? '' : ' (not in the store)'}`)
  }
  if (roots.length === 0) output.note('there are no roots')
  output.document(roots)
  return 0
}

function reasonOf({ kind, name }: Root): string {
  switch (kind) {
    case 'generation':
      return `profile ${name.replace(/ ([0-9]+)$/, ', generation $1')}`
    case 'explicit':
      return `root ${name}`
    case 'project':
      return `locked by ${name}`
    case 'hold':
      return `held by a running '${name}'`
    case 'process':
      return `used by process ${name}`
    default:
      return kind satisfies never
  }
}

async function add(
  [name = '', ...specs]: readonly string[],
  args: Arguments,
  surroundings: Surroundings,
): Promise<number> {
  const { output, signal } = surroundings
  const store = storeFor(args)
  using _ = await store.lock('shared', { signal })
  const paths = await pathsOf(specs, args, surroundings)
  const missing = paths.find((path) => !store.has(path))
  if (missing !== undefined) {
    throw new AbnError('ABN_ITEM_MISSING', `${missing} is not in the store`, { hint: 'build it first' })
  }
  if (name.startsWith(PROJECT))
    throw new AbnError('ABN_USAGE', `names that begin with ${PROJECT} are those of projects`)
  writeRoot(store, name, paths)
  for (const path of paths) output.line(`${name} keeps ${path}`)
  output.document({ name, paths })
  return 0
}

const PROJECT = 'project-'

async function pathsOf(
  specs: readonly string[],
  args: Arguments,
  { signal }: Surroundings,
): Promise<readonly StorePath[]> {
  const found = new Set<StorePath>()
  for (const spec of specs) {
    if (spec.startsWith(`${storeDirectory}/`)) found.add(parseStorePath(spec.replace(/\/$/, '')))
    else {
      const { outputs } = await findEntry(await evaluationFor(args, signal), spec)
      for (const path of Object.values(outputs)) found.add(path)
    }
  }
  return [...found].sort()
}

function remove(names: readonly string[], args: Arguments, { output }: Surroundings): number {
  const store = existingStore(args)
  const known =
    store === undefined ? [] : readExplicitRoots(store).filter(({ whileExists }) => whileExists === undefined)
  for (const name of names) {
    if (store === undefined || !known.some((one) => one.name === name)) {
      const list = known.map((one) => one.name).join(', ')
      throw new AbnError('ABN_ROOT_UNKNOWN', `there is no root called ${name}`, {
        hint: list === '' ? 'there are none; gc roots shows what keeps items' : `there are: ${list}`,
      })
    }
  }
  for (const name of names) if (store) removeRoot(store, name)
  for (const name of names) output.line(`removed root ${name}`)
  output.document({ removed: names })
  return 0
}
