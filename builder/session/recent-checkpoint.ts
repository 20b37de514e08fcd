/**
 * A recent checkpoint for a session to name, so that nobody can pass off an old session as new for long. It is asked of the caches; the
 * first of them, in the order of the configuration, that shows a usable one decides. A cache that is hostile can show a wrong one or
 * none, which costs what policies grant for it and nothing else: they verify it, here it is a text that is hashed.
 */
import { AbnError } from '../../format/errors.ts'
import { type LogKey, parseCheckpoint, verifiedCheckpointOf } from '../../trust/log/checkpoint.ts'
import { encodeNote, type Note } from '../../trust/log/note.ts'
import { logAddressOf, openLogReader } from '../log/read-log.ts'

export type RecentCheckpoint =
  | {
      readonly kind: 'found'
      readonly note: Note
      /** Its origin, cut short. */
      readonly log: string
      readonly size: number
      readonly verified: boolean
    }
  /** Why there is none. */
  | { readonly kind: 'none'; readonly reason: string }

export type RecentCheckpointOptions = {
  /** Keys of logs: then a checkpoint has to be signed by one of them. */
  readonly logs: readonly LogKey[]
  /** Seconds since 1970. */
  readonly now: number
  readonly signal?: AbortSignal | undefined
}

/** Throws the signal's reason only. */
export async function recentCheckpoint(
  caches: readonly string[],
  options: RecentCheckpointOptions,
): Promise<RecentCheckpoint> {
  if (caches.length === 0) return { kind: 'none', reason: 'there is no cache to ask' }
  const asked = await Promise.all(caches.map((url) => checkpointOf(url, options)))
  const found = asked.find(({ kind }) => kind === 'found')
  if (found) return found
  return { kind: 'none', reason: asked.flatMap((one) => (one.kind === 'none' ? [one.reason] : [])).join('; ') }
}

async function checkpointOf(url: string, options: RecentCheckpointOptions): Promise<RecentCheckpoint> {
  const timeout = AbortSignal.timeout(maximumMilliseconds)
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout])
  try {
    using reader = await openLogReader(logAddressOf(url), { signal, pace: PACE })
    return usable(await reader.checkpoint(), options)
  } catch (error) {
    options.signal?.throwIfAborted()
    if (timeout.aborted) return { kind: 'none', reason: `${url}: no checkpoint within ${maximumMilliseconds / 1000} s` }
    if (!(error instanceof AbnError)) throw error
    return { kind: 'none', reason: `${url}: ${error.message.slice(0, 300)}` }
  }
}

/** Throws what is wrong with it. */
function usable(note: Note, { logs, now }: RecentCheckpointOptions): RecentCheckpoint {
  if (encodeNote(note).length > maximumBytes) throw unusable(`it is larger than ${maximumBytes} bytes`)
  const { origin, size } = parseCheckpoint(note.text)
  const log = logs.find(({ name }) => name === origin)
  if (log === undefined && logs.length > 0)
    throw unusable(`${origin.slice(0, 100)} is none of the logs that are configured`)
  if (log !== undefined) verifiedCheckpointOf(note, log)
  const times = cosignatureTimes(note)
  if (times.some((time) => time > now + toleratedSeconds)) {
    throw unusable("it was cosigned later than it is by this machine's clock")
  }
  if (times.length > 0 && Math.max(...times) < now - maximumAgeSeconds) throw unusable('it is more than a day old')
  return { kind: 'found', note, log: origin.slice(0, 100), size, verified: log !== undefined }
}

const maximumMilliseconds = 10_000
const PACE = { answerSeconds: 5, bytes: 1024, seconds: 5 }
/** A session with a quote has to fit into one entry of a log. */
const maximumBytes = 8 * 1024
const maximumAgeSeconds = 86_400
const toleratedSeconds = 300

/** When witnesses say that they saw it, unverified: who cosigns is known to policies. */
function cosignatureTimes({ signatures }: Note): readonly number[] {
  return signatures.flatMap(({ bytes }) => {
    if (bytes.length !== 72) return []
    const time = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
    return time < 2n ** 40n ? [Number(time)] : []
  })
}

function unusable(reason: string): AbnError {
  return new AbnError('ABN_CHECKPOINT_INVALID', `checkpoint: ${reason}`)
}
