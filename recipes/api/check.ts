/**
 * Checks of what a recipe passes in. Types alone do not help whoever writes recipes without a type checker, so every
 * function of the API checks its arguments. `where` names the value in messages: "recipe 'hello': source.sha256".
 */

/** What the evaluator reports as ABN_RECIPE_INVALID, with the position in the recipe that made the call. */
export class RecipeError extends Error {
  // A field, because assigning in the constructor fails once the evaluator has frozen Error.prototype.
  override readonly name = 'RecipeError'
}

export function fail(where: string, problem: string): never {
  throw new RecipeError(`${where}: ${problem}`)
}

export function expectText(value: unknown, where: string): string {
  if (typeof value !== 'string') fail(where, `expected a text, got ${kindOf(value)}`)
  if (value.includes('\0')) fail(where, 'a text cannot hold a NUL character')
  return value
}

/** A text with at least one character and no line break. */
export function expectLine(value: unknown, where: string): string {
  const line = expectText(value, where)
  if (line.trim() === '') fail(where, 'expected a text, got an empty one')
  if (/[\r\n]/.test(line)) fail(where, 'expected one line, got several')
  return line
}

export function expectMatch(value: unknown, where: string, pattern: RegExp, shape: string): string {
  const text = expectText(value, where)
  if (!pattern.test(text)) fail(where, `expected ${shape}, got ${quoted(text)}`)
  return text
}

export function expectBoolean(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') fail(where, `expected true or false, got ${kindOf(value)}`)
  return value
}

export function expectList(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) fail(where, `expected a list [ … ], got ${kindOf(value)}`)
  return value
}

export function expectTexts(value: unknown, where: string): string[] {
  return expectList(value, where).map((element, i) => expectText(element, `${where}[${i}]`))
}

/** An object literal with no fields but `fields`; each value is still unchecked. */
export function expectFields<Field extends string>(
  value: unknown,
  where: string,
  fields: readonly Field[],
): { readonly [F in Field]?: unknown } {
  const object = expectObject(value, where)
  const known: { [F in Field]?: unknown } = {}
  for (const key of Object.keys(object)) {
    const field = fields.find((name) => name === key)
    if (field === undefined) fail(where, `unknown field ${quoted(key)}; the fields are ${fields.join(', ')}`)
    known[field] = object[key]
  }
  return known
}

/** An object literal from names to texts, in the order of its names. */
export function expectTextRecord(value: unknown, where: string): [string, string][] {
  return Object.entries(expectObject(value, where))
    .map(([key, text]): [string, string] => [key, expectText(text, `${where}.${key}`)])
    .sort(byFirst)
}

export function expectObject(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(where, `expected an object { … }, got ${kindOf(value)}`)
  }
  return value as Readonly<Record<string, unknown>>
}

/** A path that stays where it is put: relative, `/` between names, no `.` or `..` among them. */
export function expectRelativePath(value: unknown, where: string): string {
  const path = expectLine(value, where)
  const bad = path.split('/').some((name) => name === '' || name === '.' || name === '..')
  if (bad || path.includes('\\')) fail(where, `expected a relative path without '.' and '..', got ${quoted(path)}`)
  return path
}

export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return `the text ${quoted(value)}`
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'number') return `the number ${value}`
  return value === undefined ? 'nothing (undefined)' : `a ${typeof value}`
}

function byFirst(a: readonly [string, string], b: readonly [string, string]): number {
  return a[0] < b[0] ? -1 : 1
}
