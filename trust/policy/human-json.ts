/** A policy's JSON as people write it (format/human-json.ts), with the error of policies. */
import type { JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { parseHumanJson as parseJson } from '../../format/human-json.ts'

/** Throws ABN_POLICY_INVALID. */
export function parseHumanJson(text: string, maximumBytes: number): JsonValue {
  return parseJson(text, {
    maximumBytes,
    fail: (reason, cause) =>
      new AbnError('ABN_POLICY_INVALID', `policy: ${reason}`, cause === undefined ? {} : { cause }),
  })
}
