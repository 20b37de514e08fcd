// abnpkg shell [NAME...] [-- COMMAND]
import { basename } from 'node:path'
import { findEntry } from '../../builder/evaluate/find.ts'
import { AbnError } from '../../format/errors.ts'
import { holdPaths } from '../../store/hold.ts'
import type { Store } from '../../store/store.ts'
import type { Arguments } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import {
  type Held,
  leaveSignalsToProgram,
  neededOf,
  realiseAndHold,
  requireNoJson,
  shellForContainer,
} from '../environment.ts'
import { planFor, printPlan, requireWorkOptions, workOptions } from '../plans/work.ts'
import { lockOptions, weakerOption } from '../project/options.ts'
import { evaluationFor, storeFor, storeToLookAt } from '../session.ts'

export const shell: Command = {
  usage: '[NAME[@RANGE]...] [--pure | --container] [-- COMMAND ARGUMENTS...]',
  details: [
    'Starts your shell, or runs a command, with packages that need not be installed: their programs come first on PATH, and',
    'manual pages, headers and libraries are found too. Without names, the packages are those of the project (abnpkg.json) that',
    'the current directory is in. The exit status is that of the shell or command.',
  ].join('\n'),
  takesRest: true,
  options: {
    pure: { type: 'boolean', help: 'only the programs of the packages, and few of your variables' },
    container: {
      type: 'boolean',
      help: 'show nothing of the machine but the packages and the current directory; no network',
    },
    network: { type: 'boolean', help: "with --container: the machine's network" },
    keep: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'with --pure, --container: keep this variable as it is',
    },
    ...workOptions,
    ...lockOptions,
    ...weakerOption,
  },
  async run(args, surroundings) {
    requireSense(args)
    requireWorkOptions(args)
    requireNoJson('shell', args, surroundings)
    if (args.options['dry-run'] === true) return await showPlan(args, surroundings)
    const { requireShowable, runInClosure, runInEnvironment } = await import('../../builder/environment/shell.ts')
    const { programCacheOf } = await import('../../builder/sandbox/programs.ts')
    const directory = process.cwd()
    const inContainer = args.options.container === true
    if (inContainer) requireShowable(directory, storeToLookAt(args))
    if (inContainer && directory === process.env.HOME) {
      surroundings.output.note(
        'this is your home directory: all that is in it can be read and changed in the container',
      )
    }
    const found = args.names.length > 0 ? await named(args, surroundings) : await ofProject(args, surroundings)
    const { store, items, label } = found
    using _ = found.hold
    const container = inContainer && args.rest.length === 0 ? await shellFor(found, args, surroundings) : undefined
    using __ = container?.hold
    leaveSignalsToProgram()
    const environment = {
      store,
      cache: programCacheOf(store),
      items,
      label,
      keep: textsOption(args, 'keep'),
      env: process.env,
      command: args.rest,
    }
    if (!inContainer) return await runInEnvironment(environment, { pure: args.options.pure === true })
    const network = args.options.network === true ? 'host' : 'loopback'
    return await runInClosure(environment, { network, directory, shell: container?.shell })
  },
}

type Found = Held & { readonly store: Store; readonly label: string }

async function named(args: Arguments, surroundings: Surroundings): Promise<Found> {
  const store = storeFor(args)
  const evaluation = await evaluationFor(args, surroundings.signal)
  const names = [...new Set(args.names)]
  const entries = []
  for (const name of names) entries.push(await findEntry(evaluation, name))
  const held = await realiseAndHold(neededOf(entries, evaluation), 'shell', { args, store, evaluation, surroundings })
  return { ...held, store, label: entries.map(({ name }) => name).join(' ') }
}

async function ofProject(args: Arguments, surroundings: Surroundings): Promise<Found> {
  const { projectEnvironment } = await import('../project/environment.ts')
  const found = await projectEnvironment(args, surroundings)
  if (found === undefined) {
    throw new AbnError('ABN_USAGE', 'shell: expected the names of packages, or a project here (abnpkg.json)', {
      hint: "see 'abnpkg shell --help', or make a project with 'abnpkg add NAME'",
    })
  }
  const { store, items } = found
  return { store, items, label: basename(found.directory), hold: await holdPaths(store, 'shell', items) }
}

/** That of the packages themselves, else bash or busybox, which then is in the container but not on its PATH. */
async function shellFor({ store, items }: Found, args: Arguments, surroundings: Surroundings) {
  const { shellAmong } = await import('../../builder/environment/shell.ts')
  const own = shellAmong(items, store)
  if (own !== undefined) return { shell: own, hold: undefined }
  const evaluation = await evaluationFor(args, surroundings.signal)
  return await shellForContainer({ args, store, evaluation, surroundings }, 'shell')
}

async function showPlan(args: Arguments, surroundings: Surroundings): Promise<number> {
  if (args.names.length === 0) {
    throw new AbnError('ABN_USAGE', 'shell --dry-run: expected the names of packages', {
      hint: "for a project, 'abnpkg sync --dry-run' shows what would be done",
    })
  }
  const store = storeToLookAt(args)
  const evaluation = await evaluationFor(args, surroundings.signal)
  const packages = []
  for (const name of new Set(args.names)) packages.push(evaluation.load(await findEntry(evaluation, name)))
  await printPlan(await planFor(packages, { args, store, evaluation, surroundings }), surroundings.output)
  return 0
}

/** Throws ABN_USAGE. */
function requireSense(args: Arguments): void {
  const { pure, container, network, keep } = args.options
  if (pure === true && container === true) {
    throw new AbnError('ABN_USAGE', 'options --pure and --container exclude each other: a container is pure')
  }
  if (network === true && container !== true) {
    throw new AbnError('ABN_USAGE', 'option --network is for --container; elsewhere the network is there')
  }
  if (keep !== undefined && pure !== true && container !== true) {
    throw new AbnError('ABN_USAGE', 'option --keep is for --pure and --container; elsewhere every variable is kept')
  }
  const wrong = textsOption(args, 'keep').find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
  if (wrong !== undefined) throw new AbnError('ABN_USAGE', `option --keep: '${wrong}' is not the name of a variable`)
}

function textsOption(args: Arguments, name: string): readonly string[] {
  const values = args.options[name]
  return Array.isArray(values) ? values.filter((value) => typeof value === 'string') : []
}
