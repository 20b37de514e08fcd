/**
 * What this machine remembers when it asks, and what it remembers afterwards: revocation lists, trees of logs, evaluations of platforms.
 * Read before caches are asked, written before anything is done with a decision; none of it is ever taken back.
 */
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { Store } from '../../store/store.ts'
import { type Evidence, newestLogs, type VerifiedEvidence } from '../../trust/evidence.ts'
import type { WitnessKey } from '../../trust/log/cosignature.ts'
import { cosignaturesOf, type KnownTree } from '../../trust/log/standing.ts'
import { toleratedSkewSeconds } from '../../trust/policy/logged.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import { newestEvaluations } from '../../trust/tee/judge-session.ts'
import { encodeTime } from '../../trust/time.ts'
import { keepAlarms, sayingOf } from './alarms.ts'
import type { Question } from './gather.ts'
import { keepKnownEvaluations, readKnownEvaluations } from './known-evaluations.ts'
import { isSameTree, type KnownLogs, keepKnownLogs, knownTreesOf, readKnownLogs, type Unproved } from './known-logs.ts'
import { rememberedRevocations, rememberRevocations } from './revocations.ts'
import { provedFromTiles, type Reaching } from './settle-logs.ts'

export type Memory = {
  readonly remembered: readonly Evidence[]
  readonly logs: KnownLogs
  readonly knownLogs: ReadonlyMap<string, KnownTree>
  readonly knownEvaluations: ReadonlyMap<Sha256, number>
  /** What a cache has to know of it to bring the right proofs. */
  readonly question: Pick<Question, 'logs'>
}

/** What a policy does not ask about is not read. Throws ABN_DECISION_INVALID when a file is damaged, and ABN_CLOCK. */
export function readMemory(store: Pick<Store, 'root'>, { logs: named, witnesses, tee }: Policy, now: number): Memory {
  const logs: KnownLogs = named.length === 0 ? new Map() : readKnownLogs(store)
  requireClock(logs, witnesses, now)
  const knownLogs = knownTreesOf(named, logs)
  const asked = named.map(({ name }) => ({ origin: name, size: knownLogs.get(name)?.size ?? 0 }))
  return {
    remembered: rememberedRevocations(store),
    logs,
    knownLogs,
    knownEvaluations: tee === null ? new Map() : readKnownEvaluations(store),
    question: asked.length === 0 ? {} : { logs: asked },
  }
}

/** A clock that is behind what witnesses have signed would take what is old for new. */
function requireClock(logs: KnownLogs, witnesses: readonly WitnessKey[], now: number): void {
  for (const { log, checkpoint } of logs.values()) {
    // The earliest of several: one witness alone cannot stop us, unless there is no other.
    const times = cosignaturesOf(checkpoint, witnesses).map(({ time }) => time)
    const time = times.length === 0 || times.length < Math.min(2, witnesses.length) ? 0 : Math.min(...times)
    if (time <= now + toleratedSkewSeconds) continue
    throw new AbnError(
      'ABN_CLOCK',
      `it is ${encodeTime(now)} here, but ${log.name} was witnessed at ${encodeTime(time)}`,
      {
        hint: 'set the clock of this machine; if it is right, those of these witnesses are wrong: take them out of the policy. --source-only builds without asking anybody',
      },
    )
  }
}

export type Keeping = {
  readonly evidence: VerifiedEvidence
  readonly policy: Policy
  /** Where tiles may be had. */
  readonly caches: readonly string[]
  readonly now: number
} & Reaching

/**
 * Keeps what is new in verified evidence. If another process has seen another tree of a log meanwhile, the two are compared first. Throws
 * ABN_LOG_TROUBLE when they do not fit, ABN_DISK_FULL or ABN_STORE_UNUSABLE, and the signal's reason.
 */
export async function keepMemory(store: Store, { evidence, policy, caches, now, ...reach }: Keeping): Promise<void> {
  rememberRevocations(store, evidence)
  if (policy.tee !== null) keepKnownEvaluations(store, newestEvaluations(evidence, policy, now))
  const given = new Map(evidence.knownLogs)
  const newest = newestLogs(evidence)
  for (;;) {
    const unproved = keepKnownLogs(store, { logs: policy.logs, given, newest, now })
    if (unproved.length === 0) return
    for (const one of unproved) {
      await requireOneLog(one, { store, caches, now, ...reach })
      given.set(one.log.name, one.kept)
    }
  }
}

type Comparing = { readonly store: Store; readonly caches: readonly string[]; readonly now: number } & Reaching

async function requireOneLog(
  { log, mine, kept }: Unproved,
  { store, caches, now, ...reach }: Comparing,
): Promise<void> {
  const [old, grown] = mine.size < kept.size ? [mine, kept] : [kept, mine]
  const isFork = mine.size === kept.size && !isSameTree(mine, kept)
  if (!isFork && (await provedFromTiles({ old, grown }, new Set(caches), reach)) !== undefined) return
  const kind = isFork ? 'fork' : 'unproved'
  const says = sayingOf(kind, mine.note, kept.note)
  const alarm = { origin: log.name, kind, says, shown: mine.note, other: kept.note, proof: null }
  const [file] = keepAlarms(store, [alarm], now)
  throw new AbnError('ABN_LOG_TROUBLE', `log ${log.name}: ${says}`, {
    hint: `another process has seen the other one meanwhile; run it again, and look at ${file?.file ?? 'var/trust/alarms'}`,
  })
}
