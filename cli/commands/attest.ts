// abnpkg attest NAME...

import type { Command } from '../commands.ts'
import { someNames } from '../names.ts'
import { attestNamed, attestOptions, jsonOfAttested } from '../operators/attesting.ts'
import { countText } from '../output.ts'

export const attest: Command = {
  usage: 'NAME[@VERSION]...',
  details: [
    'Signs what this machine can say of packages that it built: what came out, from which inputs. All that they were built from',
    'is attested as well, down to the seed. The attestations are kept in the store, in var/attestations; `publish` sends them.',
  ].join('\n'),
  options: attestOptions,
  async run(args, surroundings) {
    const { output } = surroundings
    const { attested, omitted } = await attestNamed(args, someNames(args, 'attest'), surroundings)
    for (const { attestation, fresh } of attested) {
      const { name, version } = attestation.statement
      output.line(`${name} ${version}  ${attestation.digest}${fresh ? '' : '  (known)'}`)
    }
    const fresh = attested.filter((one) => one.fresh).length
    output.note(`${countText(attested.length, 'statement')}, ${fresh} of them signed now`)
    output.document({
      attested: attested.map(jsonOfAttested),
      omitted: omitted.map(({ package: { derivation }, reason }) => ({
        name: derivation.name,
        version: derivation.version,
        code: reason.code,
        reason: reason.message,
      })),
    })
    return 0
  },
}
