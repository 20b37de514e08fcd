/**
 * JSON as people write it (RFC 8259: any white space, any order), with what makes a document ambiguous refused: a key that
 * occurs twice, a lone surrogate, a byte order mark, deep nesting. Canonical documents have format/canonical-json.ts instead.
 */
import { canonicalJson, type JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'

const maximumDepth = 8

/** Throws ABN_POLICY_INVALID. */
export function parseHumanJson(text: string, maximumBytes: number): JsonValue {
  if (text.length > maximumBytes) throw invalid(`larger than ${maximumBytes} bytes`)
  try {
    const value: JsonValue = JSON.parse(text)
    canonicalJson(value, { depth: maximumDepth })
    requireUniqueKeys(text)
    return value
  } catch (cause) {
    if (cause instanceof AbnError && cause.code === 'ABN_POLICY_INVALID') throw cause
    throw new AbnError('ABN_POLICY_INVALID', `policy: ${cause instanceof Error ? cause.message : 'not JSON'}`, {
      cause,
    })
  }
}

/** `text` is valid JSON, so a string before a colon is a key, and braces outside strings match. */
function requireUniqueKeys(text: string): void {
  const objects: Set<string>[] = []
  for (const [token, key] of text.matchAll(TOKENS)) {
    if (token === '{') objects.push(new Set())
    else if (token === '}') objects.pop()
    else if (key !== undefined) {
      const name: unknown = JSON.parse(key)
      const keys = objects.at(-1)
      if (typeof name !== 'string' || keys === undefined) throw new TypeError('requireUniqueKeys: not JSON')
      if (keys.has(name)) throw invalid(`the key ${JSON.stringify(name)} occurs twice in one object`)
      keys.add(name)
    }
  }
}

/** A string that is a key is captured without its colon. */
const TOKENS = /("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/gs

function invalid(reason: string): AbnError {
  return new AbnError('ABN_POLICY_INVALID', `policy: ${reason}`)
}
