// abnpkg profile list|export|delete
import { AbnError } from '../../format/errors.ts'
import { listGenerations, listProfiles, profileRoot, readProfile, removeProfile } from '../../store/profiles.ts'
import type { Arguments } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { countText } from '../output.ts'
import { profileOf, profileOption } from '../profiles/profile.ts'
import { storeToLookAt } from '../session.ts'

export const profile: Command = {
  usage: 'list | export [FILE] | delete NAME',
  details: [
    'list tells which profiles there are. export prints a manifest of your profile, or writes it to FILE: `abnpkg apply FILE` makes',
    'any profile the same. delete takes a profile away with all its generations; its packages leave the store with the next gc.',
    'A profile comes into being when something is installed into it: `abnpkg install jq --profile work`.',
  ].join('\n'),
  options: {
    ...profileOption,
    exact: { type: 'boolean', help: 'export: versions as they are, not what was asked for' },
    force: { type: 'boolean', help: 'export: overwrite FILE' },
    'dry-run': { type: 'boolean', help: 'delete: only show what would go' },
  },
  async run(args, surroundings) {
    const [verb, ...names] = args.names
    const rest = { ...args, names }
    if (verb === 'list') return listAll(rest, surroundings)
    if (verb === 'export') return exportOne(rest, surroundings)
    if (verb === 'delete') return deleteOne(rest, surroundings)
    throw usage(
      verb === undefined ? 'expected list, export or delete' : `expected list, export or delete, got '${verb}'`,
    )
  },
}

function listAll(args: Arguments, { output }: Surroundings): number {
  if (args.names.length > 0) throw usage(`list: expected no names, got '${args.names[0]}'`)
  const store = storeToLookAt(args)
  const profiles = listProfiles(store).map((name) => {
    const current = readProfile(store, name)
    const generations = listGenerations(store, name)
    const packages = current?.manifest.packages.length ?? 0
    return { name, generation: current?.number ?? 0, generations, packages, root: profileRoot(store, name) }
  })
  const width = Math.max(0, ...profiles.map(({ name }) => name.length))
  for (const { name, generation, generations, packages } of profiles) {
    const state = generation === 0 ? 'at no generation' : `at generation ${generation}`
    const title = output.paint('bold', name.padEnd(width))
    output.line(`${title}  ${countText(packages, 'package')}, ${state} of ${generations.length}`)
  }
  if (profiles.length === 0) output.note('there are no profiles yet')
  output.document(profiles)
  return 0
}

async function exportOne(args: Arguments, { output }: Surroundings): Promise<number> {
  const [file, more] = args.names
  if (more !== undefined) throw usage(`export: expected one file, got '${more}' too`)
  const name = profileOf(args)
  const generation = readProfile(storeToLookAt(args), name)
  const { manifestText, writeManifestFile } = await import('../profiles/manifest-file.ts')
  const text = manifestText(generation, { profile: name, isExact: args.options.exact === true })
  if (file === undefined) output.line(text.trimEnd())
  else {
    writeManifestFile(file, text, { force: args.options.force === true })
    output.line(`wrote ${file}`)
  }
  output.document({ profile: name, generation: generation?.number ?? 0, file: file ?? null, manifest: text })
  return 0
}

async function deleteOne(args: Arguments, { output }: Surroundings): Promise<number> {
  const [name, more] = args.names
  if (name === undefined || more !== undefined) throw usage('delete: expected the name of one profile')
  if (args.options.profile !== undefined) throw usage('delete: name the profile without --profile')
  const store = storeToLookAt(args)
  const isDry = args.options['dry-run'] === true
  if (!listProfiles(store).includes(name)) {
    throw new AbnError('ABN_PROFILE_INVALID', `there is no profile called ${name}`, {
      hint: '`abnpkg profile list` shows which there are',
    })
  }
  const generations = listGenerations(store, name)
  if (!isDry) await removeProfile(store, name)
  output.line(
    `${isDry ? 'would delete' : 'deleted'} profile ${name} with ${countText(generations.length, 'generation')}`,
  )
  output.document({ profile: name, generations })
  return 0
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `profile: ${reason}`, { hint: "see 'abnpkg profile --help'" })
}
