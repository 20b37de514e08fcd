// abnpkg verify [NAME...]
import { AbnError } from '../../format/errors.ts'
import type { StorePath } from '../../format/store-path.ts'
import { sharedLockIfWritable } from '../../store/hold.ts'
import type { Store } from '../../store/store.ts'
import type { Problem, Verified } from '../../store/verify.ts'
import { timeOf } from '../../trust/time.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { countText, type Output, sizeText } from '../output.ts'
import { workOptions } from '../plans/work.ts'
import { profileOption } from '../profiles/profile.ts'
import { existingStore, storeFor } from '../session.ts'
import { allPaths, namedInStore } from '../store/store-names.ts'

const { 'dry-run': _, ...repairOptions } = workOptions

export const verify: Command = {
  usage: '[NAME...] | --bundle FILE [NAME...]',
  details: [
    'Compares the contents of the whole store, or of packages and all that they refer to, with the digests that were registered. Says what',
    'differs, is missing or cannot be read; the exit status is 1 then. With --repair, what is damaged is fetched or built again, as the',
    'policy says, and takes the place of what was there if it has the digest that was registered.',
    'With --bundle, says what the policy makes of the evidence in a file (abnpkg log prove -o writes one), about packages or about those that',
    'the lock of this project names, without a network; the exit status is 1 when something is refused. Whether a log has only grown since,',
    'a file cannot show.',
  ].join('\n'),
  options: {
    repair: { type: 'boolean', help: 'fetch or build again what is damaged' },
    bundle: { type: 'string', value: 'FILE', help: 'decide from the evidence in this file alone' },
    at: { type: 'string', value: 'TIME', help: '--bundle: as of another time than now, such as 2026-11-22T00:00:00Z' },
    ...profileOption,
    ...repairOptions,
  },
  async run(args, surroundings) {
    const { output, signal } = surroundings
    const bundle = textOption(args, 'bundle')
    if (bundle !== undefined) {
      if (args.options.repair === true) throw usage('--bundle and --repair exclude each other')
      const now = timeIn(args)
      const { verifyBundle } = await import('../logs/verify-bundle.ts')
      return verifyBundle(bundle, now, { args, surroundings })
    }
    if (args.options.at !== undefined) throw usage('--at goes with --bundle')
    const isRepairing = args.options.repair === true
    const store = isRepairing ? storeFor(args) : existingStore(args)
    if (store === undefined) {
      output.line('there is no store yet')
      output.document({ items: 0, bytes: 0, problems: [], repaired: [] })
      return 0
    }
    using _ = await sharedLockIfWritable(store, signal)
    const paths = await pathsOf(store, args, surroundings)
    const started = performance.now()
    const found = await look(store, paths, surroundings)
    const seconds = (performance.now() - started) / 1000
    const speed = seconds < 1 ? '' : ` (${sizeText(found.bytes / seconds)}/s)`
    output.line(`${countText(found.items, 'item')}, ${sizeText(found.bytes)}${speed}: ${verdict(found.problems)}`)
    for (const problem of found.problems) tell(problem, output)
    let repaired: readonly StorePath[] = []
    let { problems } = found
    if (isRepairing && problems.length > 0) {
      const { repair } = await import('../store/repair.ts')
      repaired = await repair(problems, { args, store, surroundings })
      problems = (await look(store, paths, surroundings)).problems
      for (const path of repaired) output.line(`repaired ${path}`)
      if (problems.length > 0) output.line(`left: ${verdict(problems)}`)
    } else if (problems.length > 0) output.note('hint: abnpkg verify --repair fetches or builds again what is damaged')
    output.document({ items: found.items, bytes: found.bytes, problems: found.problems, repaired, left: problems })
    return problems.length > 0 ? 1 : 0
  },
}

async function pathsOf(store: Store, args: Arguments, { signal }: Surroundings): Promise<readonly StorePath[]> {
  if (args.names.length === 0) return allPaths(store)
  const named: StorePath[] = []
  for (const name of args.names) named.push(...(await namedInStore(name, { store, args, signal })).paths)
  return closureAsFarAsThere(store, named)
}

/** What refers to something that is gone is found by the verification itself. */
function closureAsFarAsThere(store: Store, paths: readonly StorePath[]): readonly StorePath[] {
  const closure = new Set(paths)
  // A set that grows while it is iterated over is iterated over to its end.
  for (const path of closure) {
    try {
      for (const reference of store.readItem(path).references) if (store.has(reference)) closure.add(reference)
    } catch {
      // Told as a problem of this path.
    }
  }
  return [...closure]
}

async function look(store: Store, paths: readonly StorePath[], { output, signal }: Surroundings): Promise<Verified> {
  const { verifyItems } = await import('../../store/verify.ts')
  let drawn = 0
  const onItem = (done: number, of: number) => {
    if (performance.now() - drawn < 100) return
    drawn = performance.now()
    output.live([`  ${output.paint('bold', `${done} of ${of}`)} items compared`])
  }
  try {
    return await verifyItems(store, paths, { signal, onItem })
  } finally {
    output.live([])
  }
}

function verdict(problems: readonly Problem[]): string {
  if (problems.length === 0) return 'all as registered'
  const count = new Set(problems.map(({ path }) => path)).size
  return `${count} ${count === 1 ? 'is' : 'are'} damaged`
}

function tell(problem: Problem, output: Output): void {
  output.line(`  ${output.paint('red', problem.path)}`)
  output.line(`    ${reasonOf(problem)}`)
}

function reasonOf(problem: Problem): string {
  switch (problem.kind) {
    case 'record':
      return problem.reason
    case 'missing':
      return 'its contents are missing'
    case 'unreadable':
      return problem.reason
    case 'content':
      return `other contents: expected output digest ${problem.expected}, got ${problem.got}`
    case 'reference':
      return `it refers to ${problem.reference}, which is not in the store`
    default:
      return problem satisfies never
  }
}

function timeIn(args: Arguments): number {
  const text = textOption(args, 'at')
  if (text === undefined) return Math.floor(Date.now() / 1000)
  return timeOf(text, { path: '', fail: (reason) => usage(`--at: ${reason}, got '${text}'`) })
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `verify: ${reason}`, { hint: "see 'abnpkg verify --help'" })
}
