/** What the configuration of a builder says of its sessions: the field `session`. docs/running-a-builder.md has the table of fields. */
import type { JsonObject, JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import {
  below,
  booleanOf,
  countOf,
  listOf,
  optionalFieldsOf,
  type Place,
  requireThat,
  textOf,
} from '../../format/fields.ts'
import { encodePublicKey, parsePublicKey } from '../../trust/key.ts'
import type { LogKey } from '../../trust/log/checkpoint.ts'
import { maximumSessionSeconds, type Tee } from '../../trust/session.ts'
import { parseCacheAddress } from '../substitute/configuration.ts'

export type SessionConfig = {
  readonly tee: Tee
  /** How long a session lasts. */
  readonly hours: number
  /** A session, and so a quote, for each build. */
  readonly perBuild: boolean
  /** With one of these a checkpoint must be signed; without any it is taken as it comes. */
  readonly logs: readonly LogKey[]
  /** Where collateral comes from, in this order; none: from Intel's service. */
  readonly collateral: readonly string[]
}

/** Throws place.fail. */
export function sessionConfigOf(value: JsonValue, place: Place): SessionConfig {
  const { tee, hours, perBuild, logs, collateral } = optionalFieldsOf(value, place, NAMES)
  requireThat(
    tee === 'none' || tee === 'tdx' || tee === 'simulated',
    below(place, 'tee'),
    'expected "none", "tdx" or "simulated"',
  )
  const lasts = hours === undefined ? defaultHours : countOf(hours, below(place, 'hours'), maximumHours)
  requireThat(lasts > 0, below(place, 'hours'), 'expected at least 1')
  const config: SessionConfig = {
    tee,
    hours: lasts,
    perBuild: perBuild !== undefined && booleanOf(perBuild, below(place, 'perBuild')),
    logs: logs === undefined ? [] : listOf(logs, below(place, 'logs'), keyOf),
    collateral: collateral === undefined ? [] : listOf(collateral, below(place, 'collateral'), addressOf),
  }
  return requireQuote(config, below(place, 'perBuild'))
}

/** The same with a quote for each build. Throws place.fail. */
export function withQuotePerBuild(config: SessionConfig | undefined, place: Place): SessionConfig {
  requireThat(config !== undefined, place, 'the builder has no sessions')
  return requireQuote({ ...config, perBuild: true }, place)
}

export function jsonOfSessionConfig(config: SessionConfig): JsonObject {
  return { ...config, logs: config.logs.map(encodePublicKey) }
}

const NAMES = ['collateral', 'hours', 'logs', 'perBuild', 'tee'] as const
const maximumHours = maximumSessionSeconds / 3600
const defaultHours = 168

function requireQuote(config: SessionConfig, place: Place): SessionConfig {
  requireThat(!config.perBuild || config.tee !== 'none', place, 'without a TEE there is no quote to make')
  return config
}

/** What a parser of its own refuses is refused at this place. */
export function refusing<T>(place: Place, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw error instanceof AbnError ? place.fail(`${place.path}: ${error.message}`) : error
  }
}

function keyOf(value: JsonValue, place: Place): LogKey {
  return refusing(place, () => parsePublicKey(textOf(value, place)))
}

function addressOf(value: JsonValue, place: Place): string {
  return refusing(place, () => parseCacheAddress(textOf(value, place)))
}
