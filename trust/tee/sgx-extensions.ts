/**
 * What a PCK certificate says about its platform (Intel, "SGX PCK Certificate and Certificate Revocation List Profile
 * Specification", section 1.3.5): an extension below 1.2.840.113741.1.13.1 with the platform's identity and the security versions that
 * its key was derived with.
 */
import { hexOf } from '../bytes.ts'
import { type Der, identifierOf, membersOf, numberOf, parseDer, tags } from './der.ts'
import { requireTee, TeeError } from './reasons.ts'
import { identifiers } from './x509.ts'

export type PckPlatform = {
  /** 16 bytes: which processor package, or platform. Never leaves this room but as a digest. */
  readonly ppid: Uint8Array
  /** Hexadecimal, lowercase. */
  readonly fmspc: string
  readonly pceId: string
  /** 16 security versions. */
  readonly components: readonly number[]
  readonly pceSvn: number
  /** Of a platform with several packages; undefined for others. */
  readonly instance: string | undefined
}

/** Throws a TeeError: sgx-extensions. */
export function parseSgxExtensions(content: Uint8Array): PckPlatform {
  const fields = pairsOf(parseDer(content, REASON), identifiers.sgx, 7)
  const tcb = pairsOf(required(fields, 2), `${identifiers.sgx}02`, 18)
  const svn = (number: number, maximum: number) => {
    const value = numberOf(required(tcb, number))
    requireTee(value <= maximum, REASON, `security version ${value} out of range`)
    return value
  }
  const components = Array.from({ length: 16 }, (_, i) => svn(i + 1, 255))
  const cpuSvn = octets(tcb, 18, 16)
  requireTee(
    cpuSvn.every((byte, i) => byte === components[i]),
    REASON,
    'CPUSVN is not that of its components',
  )
  return {
    ppid: octets(fields, 1, 16),
    pceId: hexOf(octets(fields, 3, 2)),
    fmspc: hexOf(octets(fields, 4, 6)),
    components,
    pceSvn: svn(17, 65_535),
    instance: fields.has(6) ? hexOf(octets(fields, 6, 16)) : undefined,
  }
}

const REASON = 'sgx-extensions'

/** Members of a sequence of pairs, by the last number of their identifier, which is at most `last`. */
function pairsOf(value: Der, prefix: string, last: number): ReadonlyMap<number, Der> {
  const pairs = new Map<number, Der>()
  if (value.tag !== tags.sequence) throw new TeeError(REASON, 'not a list of pairs')
  for (const pair of value.children) {
    const members = membersOf(pair)
    const identifier = identifierOf(members.take(tags.identifier, 'identifier'))
    const number = identifier.startsWith(prefix) ? Number.parseInt(identifier.slice(prefix.length), 16) : Number.NaN
    const isKnown = number >= 1 && number <= last && identifier.length === prefix.length + 2
    requireTee(isKnown && !pairs.has(number), REASON, `${identifier} is unknown or occurs twice`)
    const [, content, ...more] = pair.children
    requireTee(content !== undefined && more.length === 0, REASON, `${identifier} has not one value`)
    pairs.set(number, content)
  }
  return pairs
}

function required(pairs: ReadonlyMap<number, Der>, number: number): Der {
  const value = pairs.get(number)
  if (value === undefined) throw new TeeError(REASON, `field ${number} is missing`)
  return value
}

function octets(pairs: ReadonlyMap<number, Der>, number: number, length: number): Uint8Array {
  const value = required(pairs, number)
  requireTee(
    value.tag === tags.octetString && value.content.length === length,
    REASON,
    `field ${number} is not ${length} bytes`,
  )
  return value.content
}
