/**
 * JSON as people write it (RFC 8259: any white space, any order), with what makes a document ambiguous refused: a key that
 * occurs twice, a lone surrogate, a byte order mark, deep nesting. Canonical documents have canonical-json.ts instead.
 */
import { canonicalJson, type JsonValue } from './canonical-json.ts'

export type HumanJsonOptions = {
  readonly maximumBytes: number
  /** The error of this format. */
  readonly fail: (reason: string, cause?: unknown) => Error
}

const maximumDepth = 8

/** Throws what `fail` makes. */
export function parseHumanJson(text: string, { maximumBytes, fail }: HumanJsonOptions): JsonValue {
  if (text.length > maximumBytes) throw fail(`larger than ${maximumBytes} bytes`)
  const value = jsonOf(text, fail)
  const twice = keyThatOccursTwice(text)
  if (twice !== undefined) throw fail(`the key ${JSON.stringify(twice)} occurs twice in one object`)
  return value
}

function jsonOf(text: string, fail: HumanJsonOptions['fail']): JsonValue {
  try {
    const value: JsonValue = JSON.parse(text)
    canonicalJson(value, { depth: maximumDepth })
    return value
  } catch (cause) {
    throw fail(cause instanceof Error ? cause.message : 'not JSON', cause)
  }
}

/** `text` is valid JSON, so a string before a colon is a key, and braces outside strings match. */
function keyThatOccursTwice(text: string): string | undefined {
  const objects: Set<string>[] = []
  for (const [token, key] of text.matchAll(TOKENS)) {
    if (token === '{') objects.push(new Set())
    else if (token === '}') objects.pop()
    else if (key !== undefined) {
      const name: unknown = JSON.parse(key)
      const keys = objects.at(-1)
      if (typeof name !== 'string' || keys === undefined) throw new TypeError('keyThatOccursTwice: not JSON')
      if (keys.has(name)) return name
      keys.add(name)
    }
  }
  return undefined
}

/** A string that is a key is captured without its colon. */
const TOKENS = /("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/gs
