/** What a monitor has found, as data, as a line for people, and as JSON. Findings of one kind mean one thing, however they are sent. */
import type { JsonObject, JsonValue } from '../../format/canonical-json.ts'
import { encodeTime } from '../../trust/time.ts'

export type Finding = {
  /** By the monitor's clock, in seconds since 1970. */
  readonly time: number
  /** The log's name; '' when it is not known. */
  readonly log: string
  readonly url: string
  /** Which entry of the log says so; null when none does. */
  readonly entry: number | null
  readonly what: What
}

export type Signs = 'a statement' | 'a revocation list' | 'a session'

export type Side = { readonly digest: string; readonly signers: readonly string[] }

export type What =
  // The log has broken its promise; the file has the proof, and is null when there are too many already.
  | { readonly kind: 'fork' | 'smaller' | 'tiles' | 'entries'; readonly says: string; readonly file: string | null }
  /** `build`: from the same inputs. `verified`: at least two of the sides were really signed by keys that are known. */
  | {
      readonly kind: 'divergence'
      readonly recipe: string
      readonly path: string
      readonly cause: 'build' | 'inputs'
      readonly verified: boolean
      readonly sides: readonly Side[]
    }
  /** `verified`: the signature is right. If not, it is not known whether the key or the log spoke. */
  | {
      readonly kind: 'silent-key'
      readonly key: string
      readonly name: string
      readonly signs: Signs
      readonly verified: boolean
    }
  | { readonly kind: 'forged'; readonly key: string; readonly name: string; readonly signs: Signs }
  | { readonly kind: 'unknown-key'; readonly key: string; readonly signs: Signs }
  | { readonly kind: 'outside-session'; readonly key: string; readonly name: string; readonly path: string }
  | {
      readonly kind: 'revoked'
      readonly by: string
      readonly of: 'key' | 'statement'
      readonly id: string
      readonly reason: string
    }
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'unknown-log'; readonly origin: string }
  /** What it shows as its checkpoint is not one that its key has signed. */
  | { readonly kind: 'checkpoint'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'idle'; readonly since: number }
  /** `since`: the last cosignature that was seen; null when there never was one. */
  | { readonly kind: 'witness-silent'; readonly witness: string; readonly since: number | null }
  | { readonly kind: 'cosignature'; readonly witness: string; readonly says: string }
  | {
      readonly kind: 'session'
      readonly name: string
      readonly key: string
      readonly tee: string
      readonly from: number
      readonly until: number
    }
  | { readonly kind: 'recovered'; readonly of: string; readonly about: string }
  /** More of one kind than are told one by one. */
  | { readonly kind: 'more'; readonly of: string; readonly count: number }
  /** The record of what was stated is full, and the oldest of it was given up. */
  | { readonly kind: 'forgotten'; readonly rows: number }

export type Severity = 'alarm' | 'warning' | 'news'

/** alarm: somebody is lying or broken; warning: somebody should look; news: the rest. */
export function severityOf(what: What): Severity {
  switch (what.kind) {
    case 'fork':
    case 'smaller':
    case 'tiles':
    case 'entries':
    case 'silent-key':
    case 'forged':
      return 'alarm'
    case 'divergence':
      return what.verified ? 'alarm' : 'warning'
    case 'unknown-key':
    case 'outside-session':
    case 'revoked':
    case 'unreadable':
    case 'unknown-log':
    case 'checkpoint':
    case 'unreachable':
    case 'idle':
    case 'witness-silent':
    case 'cosignature':
    case 'more':
      return 'warning'
    case 'session':
    case 'recovered':
    case 'forgotten':
      return 'news'
    default:
      return what satisfies never
  }
}

export function jsonOfFinding({ time, log, url, entry, what }: Finding): JsonObject {
  const { kind, ...details } = what
  const json: JsonValue = {
    ...details,
    ...('sides' in details ? { sides: details.sides.map((side) => ({ ...side })) } : {}),
  }
  return { details: json, entry, kind, log, severity: severityOf(what), time: encodeTime(time), url }
}

export function lineOfFinding(finding: Finding): string {
  const { time, log, url, entry, what } = finding
  const where = `${log === '' ? url : log}${entry === null ? '' : ` #${entry}`}`
  // One line, whatever a log writes.
  const text = textOf(what).replaceAll(/\s+/g, ' ')
  return `${encodeTime(time)} ${severityOf(what).toUpperCase()} ${where}: ${text}`
}

function textOf(what: What): string {
  switch (what.kind) {
    case 'fork':
    case 'smaller':
    case 'tiles':
    case 'entries':
      return `${what.kind}: ${what.says}${what.file === null ? '' : `; proof kept in ${what.file}`}`
    case 'divergence': {
      const sides = what.sides.map(({ digest, signers }) => `${digest.slice(0, 12)} by ${signers.join(', ')}`)
      const inputs = what.cause === 'build' ? 'the same inputs' : 'other inputs'
      return `divergence: ${what.path} from ${inputs}: ${sides.join(' / ')}${what.verified ? '' : ' (not verified)'}`
    }
    case 'silent-key': {
      const doubt = what.verified ? '' : ', but the signature is wrong'
      return `silent-key: ${what.signs} by ${what.name}, who should be silent${doubt}`
    }
    case 'forged':
      return `forged: ${what.signs} in the name of ${what.name} with a wrong signature`
    case 'unknown-key':
      return `unknown-key: ${what.signs} by a key that is not known (${what.key.slice(0, 8)})`
    case 'outside-session':
      return `outside-session: ${what.name} states ${what.path}, which was not built in the session`
    case 'revoked':
      return `revoked: ${what.by} takes back the ${what.of} ${what.id.slice(0, 16)}: ${what.reason}`
    case 'unreadable':
      return `unreadable: ${what.reason}`
    case 'unknown-log':
      return `unknown-log: its checkpoint is of ${what.origin}, whose key is not known`
    case 'checkpoint':
    case 'unreachable':
      return `${what.kind}: ${what.reason}`
    case 'idle':
      return `idle: it has not grown since ${encodeTime(what.since)}`
    case 'witness-silent': {
      const last = what.since === null ? 'never seen one' : `the last was at ${encodeTime(what.since)}`
      return `witness-silent: no new cosignature of ${what.witness}: ${last}`
    }
    case 'cosignature':
      return `cosignature: ${what.witness}: ${what.says}`
    case 'session':
      return `session: ${what.name} until ${encodeTime(what.until)}, ${what.tee === 'none' ? 'without a TEE' : `TEE ${what.tee}`}`
    case 'recovered':
      return `recovered: ${what.of}${what.about === '' ? '' : ` ${what.about}`}`
    case 'more':
      return `more: ${what.count} more of the kind ${what.of}`
    case 'forgotten':
      return `forgotten: the record of what was stated is full; ${what.rows} old rows are gone`
    default:
      return what satisfies never
  }
}
