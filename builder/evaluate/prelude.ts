/**
 * JavaScript that runs in the sandbox before any module: takes away the clock and randomness, and freezes everything that is
 * built in, so that no recipe can change what another one, the API or the encoder sees. Recipes are modules, hence strict:
 * an attempt to change something throws a TypeError where it happens.
 */
export const prelude = `'use strict';
{
  class HermeticError extends Error { name = 'HermeticError' }
  const forbid = (what) => function () { throw new HermeticError(what + ' is not available to recipes') }
  const forbiddenDate = forbid('the clock (Date)')
  for (const name of ['now', 'parse', 'UTC']) forbiddenDate[name] = forbid('the clock (Date.' + name + ')')
  const hidden = { enumerable: false, writable: true, configurable: true }
  Object.defineProperty(globalThis, 'Date', { value: forbiddenDate, ...hidden })
  Math.random = forbid('randomness (Math.random)')
  for (const name of ['eval', 'queueMicrotask', 'WeakRef', 'FinalizationRegistry', 'Atomics', 'SharedArrayBuffer', 'performance']) {
    delete globalThis[name]
  }

  const seen = new Set()
  const visit = (value) => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) return
    seen.add(value)
    visit(Object.getPrototypeOf(value))
    for (const key of Reflect.ownKeys(value)) {
      const property = Object.getOwnPropertyDescriptor(value, key)
      visit(property.value)
      visit(property.get)
      visit(property.set)
    }
  }
  visit(globalThis)
  // Reached by syntax only, not by name.
  for (const value of [function* () {}, async function () {}, async function* () {}, [][Symbol.iterator](), new Map().entries(),
    new Set().values(), ''[Symbol.iterator](), 'a'.matchAll(/a/g), function* () {}(), [].values().map((x) => x),
    (async function* () {})(), Iterator.from({ next() { return { done: true } } })]) visit(value)
  for (const value of seen) Object.freeze(value)
}
`
