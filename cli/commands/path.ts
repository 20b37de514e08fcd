// abnpkg path NAME
import { findEntry } from '../../builder/evaluate/find.ts'
import { AbnError } from '../../format/errors.ts'
import { textOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { oneName } from '../names.ts'
import { evaluationFor, storeToLookAt } from '../session.ts'

export const path: Command = {
  usage: 'NAME',
  details: 'Prints the directory of a package that is in the store, as this machine sees it.',
  options: { output: { type: 'string', value: 'OUTPUT', help: "which output, 'out' unless told" } },
  async run(args, { output, signal }) {
    const spec = oneName(args, 'path')
    const entry = await findEntry(await evaluationFor(args, signal), spec)
    const wanted = textOption(args, 'output') ?? 'out'
    const storePath = entry.outputs[wanted]
    if (storePath === undefined) {
      throw new AbnError('ABN_USAGE', `${entry.name} has no output '${wanted}'`, {
        hint: `it has ${Object.keys(entry.outputs).join(', ')}`,
      })
    }
    const store = storeToLookAt(args)
    if (!store.has(storePath)) {
      throw new AbnError('ABN_ITEM_MISSING', `${entry.name} ${entry.version} is not in the store`, {
        hint: `abnpkg build ${spec}`,
      })
    }
    const directory = store.physicalPath(storePath)
    output.line(directory)
    output.document({ name: entry.name, version: entry.version, output: wanted, storePath, directory })
    return 0
  },
}
