// abnpkg log status: what this machine has seen of the logs that the policy names. Asks nobody.
import { listAlarms } from '../../builder/substitute/alarms.ts'
import { readKnownLogs } from '../../builder/substitute/known-logs.ts'
import { encodePublicKey } from '../../trust/key.ts'
import { cosignaturesOf } from '../../trust/log/standing.ts'
import { encodeTime } from '../../trust/time.ts'
import type { Arguments } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { countText } from '../output.ts'
import { requirePolicy } from '../policy/configured.ts'
import { existingStore } from '../session.ts'
import { agoText } from '../span-text.ts'
import { jsonOfWitnesses, witnessText } from './place.ts'

export async function status(args: Arguments, { output }: Surroundings): Promise<number> {
  const { policy } = requirePolicy()
  const store = existingStore(args)
  const now = Math.floor(Date.now() / 1000)
  const known = store === undefined ? new Map() : readKnownLogs(store)
  const alarms = store === undefined ? [] : listAlarms(store)
  if (policy.logs.length === 0) output.line('the policy names no log')
  const logs = policy.logs.map((log) => {
    const seen = known.get(encodePublicKey(log))
    output.line(output.paint('bold', log.name))
    if (seen === undefined) {
      output.line('  not seen yet')
      return { log: log.name, key: encodePublicKey(log), size: null, root: null, seen: null, witnesses: [] }
    }
    const { checkpoint, at } = seen
    const cosignatures = cosignaturesOf(checkpoint, policy.witnesses)
    const root = Buffer.from(checkpoint.root).toString('base64')
    output.line(`  ${countText(checkpoint.size, 'entry', 'entries')}, last looked at ${agoText(at, now)}, root ${root}`)
    output.line(`  ${witnessText(cosignatures, now)}`)
    return {
      log: log.name,
      key: encodePublicKey(log),
      size: checkpoint.size,
      root,
      seen: encodeTime(at),
      witnesses: jsonOfWitnesses(cosignatures),
    }
  })
  for (const { file, alarm } of alarms) {
    const what = alarm === undefined ? 'cannot be read' : `${alarm.origin}: ${alarm.kind}`
    output.line(`${output.paint('red', 'ALARM')} ${what}: ${file}`)
  }
  if (alarms.length > 0) output.note("'abnpkg log check FILE' checks one; send it on, then remove it")
  output.document({
    logs,
    alarms: alarms.map(({ file, alarm }) => ({ file, log: alarm?.origin ?? null, kind: alarm?.kind ?? null })),
  })
  return alarms.length === 0 ? 0 : 1
}
