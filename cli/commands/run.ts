// abnpkg run NAME [-- ARGUMENTS...]
import { existsSync, readdirSync } from 'node:fs'
import { findEntry } from '../../builder/evaluate/find.ts'
import { AbnError } from '../../format/errors.ts'
import { textOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { leaveSignalsToProgram, neededOf, realiseAndHold, requireNoJson } from '../environment.ts'
import { oneName } from '../names.ts'
import { planFor, printPlan, requireWorkOptions, workOptions } from '../plans/work.ts'
import { evaluationFor, storeFor, storeToLookAt } from '../session.ts'

export const run: Command = {
  usage: 'NAME[@RANGE] [-- ARGUMENTS...]',
  details: [
    'Runs the program of a package, which is fetched or built if need be and not installed: the one that is called like the package,',
    "or its only one. The exit status and standard output are the program's, so that --json goes with --dry-run only. What runs is",
    'kept from garbage collection.',
  ].join('\n'),
  takesRest: true,
  options: { program: { type: 'string', value: 'NAME', help: 'which of its programs' }, ...workOptions },
  async run(args, surroundings) {
    const spec = oneName(args, 'run', 'what comes after -- goes to the program: abnpkg run NAME -- ARGUMENTS')
    requireWorkOptions(args)
    requireNoJson('run', args, surroundings)
    const dryRun = args.options['dry-run'] === true
    const store = dryRun ? storeToLookAt(args) : storeFor(args)
    const evaluation = await evaluationFor(args, surroundings.signal)
    const entry = await findEntry(evaluation, spec)
    const { out } = entry.outputs
    if (out === undefined) throw new TypeError(`${entry.name} has no output 'out'`)
    if (dryRun) {
      const plan = await planFor([evaluation.load(entry)], { args, store, evaluation, surroundings })
      await printPlan(plan, surroundings.output)
      return 0
    }
    const { hold } = await realiseAndHold(neededOf([entry], evaluation), 'run', {
      args,
      store,
      evaluation,
      surroundings,
    })
    using _ = hold
    const program = programOf(`${store.physicalPath(out)}/bin`, {
      wanted: textOption(args, 'program'),
      name: entry.name,
    })
    const { programCacheOf } = await import('../../builder/sandbox/programs.ts')
    const { runWithStore } = await import('../../builder/sandbox/launcher.ts')
    leaveSignalsToProgram()
    return await runWithStore({
      store: store.layout.store,
      cache: programCacheOf(store),
      program: `${out}/bin/${program}`,
      args: args.rest,
    })
  },
}

type Choice = { readonly wanted: string | undefined; readonly name: string }

function programOf(directory: string, { wanted, name }: Choice): string {
  const programs = existsSync(directory) ? readdirSync(directory).sort() : []
  const asked = wanted ?? name
  if (programs.includes(asked)) return asked
  const [only] = programs
  if (wanted === undefined && only !== undefined && programs.length === 1) return only
  const listed =
    programs.length > 12 ? `${programs.slice(0, 12).join(', ')}, … (${programs.length})` : programs.join(', ')
  throw new AbnError('ABN_PROGRAM_UNKNOWN', `${name} has no program called ${asked}`, {
    hint: programs.length === 0 ? 'it has no programs at all' : `choose one with --program: ${listed}`,
  })
}
