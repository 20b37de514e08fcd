/** Whether a log still lives: that it grows, and that witnesses go on cosigning it. A log that stands still may be shown to us alone. */
import { AbnError } from '../../format/errors.ts'
import type { LogKey, VerifiedCheckpoint } from '../../trust/log/checkpoint.ts'
import { verifyCosignature, type WitnessKey } from '../../trust/log/cosignature.ts'
import type { Teller } from './look.ts'
import type { MonitorState } from './state.ts'
import type { Watch } from './watch.ts'

export type Health = {
  readonly state: MonitorState
  readonly watch: Watch
  readonly nowSeconds: () => number
  readonly staleSeconds: number
  readonly idleSeconds: number
  readonly teller: Pick<Teller, 'when' | 'unless'>
}

export function noteHealth(checkpoint: VerifiedCheckpoint, log: LogKey, health: Health): void {
  const { state, watch, nowSeconds, staleSeconds, idleSeconds, teller } = health
  const now = nowSeconds()
  const { grown } = state.log(log.id)
  if (now - grown > idleSeconds) teller.when('idle', '', { kind: 'idle', since: grown })
  else teller.unless('idle', '')

  for (const witness of watch.witnesses) noteCosignature(checkpoint, { log, witness, now, state, teller })
  const seen = watch.witnesses.map((witness) => ({ witness, time: state.cosigned(log.id, witness.id) }))
  for (const { witness, time } of seen) {
    // One that has never cosigned this log may be a witness of others.
    if (time === undefined) continue
    const { name } = witness
    if (now - time > staleSeconds)
      teller.when('witness-silent', name, { kind: 'witness-silent', witness: name, since: time })
    else teller.unless('witness-silent', name)
  }
  const isAlone = seen.length > 0 && seen.every(({ time }) => time === undefined)
  if (isAlone) teller.when('witness-silent', '', { kind: 'witness-silent', witness: 'any witness', since: null })
  else teller.unless('witness-silent', '')
}

type Cosigned = Pick<Health, 'state' | 'teller'> & {
  readonly log: LogKey
  readonly witness: WitnessKey
  readonly now: number
}

function noteCosignature(checkpoint: VerifiedCheckpoint, { log, witness, now, state, teller }: Cosigned): void {
  const says = cosignatureOf(checkpoint, witness, now)
  if (typeof says === 'string') {
    teller.when('cosignature', witness.name, { kind: 'cosignature', witness: witness.name, says })
    return
  }
  teller.unless('cosignature', witness.name)
  if (says !== undefined && says > (state.cosigned(log.id, witness.id) ?? -1))
    state.setCosigned(log.id, witness.id, says)
}

/** Its time, or what is wrong with it. */
function cosignatureOf(checkpoint: VerifiedCheckpoint, witness: WitnessKey, now: number): number | string | undefined {
  try {
    const time = verifyCosignature(checkpoint, witness)?.time
    return time !== undefined && time > now + SKEW_SECONDS ? 'its time is in the future' : time
  } catch (error) {
    if (error instanceof AbnError) return error.message
    throw error
  }
}

const SKEW_SECONDS = 300
