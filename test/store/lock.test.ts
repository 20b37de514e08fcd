import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { takeBriefLock, takeLock, tryLock } from '../../store/lock.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

test('an exclusive lock excludes, also within one process', (t) => {
  const file = join(temporaryDirectory(t), 'lock')
  const lock = tryLock(file, 'exclusive')
  t.truthy(lock)
  t.is(tryLock(file, 'exclusive'), undefined)
  t.is(tryLock(file, 'shared'), undefined)
  t.true(lock?.isHeld)
  lock?.release()
  lock?.release()
  t.false(lock?.isHeld)
  using again = tryLock(file, 'exclusive')
  t.truthy(again)
})

test('shared locks are shared and keep an exclusive one out', (t) => {
  const file = join(temporaryDirectory(t), 'lock')
  const first = tryLock(file, 'shared')
  const second = tryLock(file, 'shared')
  t.truthy(second)
  t.is(tryLock(file, 'exclusive'), undefined)
  first?.release()
  t.is(tryLock(file, 'exclusive'), undefined)
  second?.release()
  using exclusive = tryLock(file, 'exclusive')
  t.truthy(exclusive)
})

test('waiting ends when the lock is free, or with the signal', async (t) => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'lock')
  const held = takeBriefLock(file)
  let waits = 0
  const waiting = takeLock(file, 'exclusive', { onWait: () => waits++ })
  await t.throwsAsync(takeLock(file, 'shared', { signal: AbortSignal.timeout(20) }))
  held.release()
  ;(await waiting).release()
  t.is(waits, 1)
  t.throws(
    () => {
      using _ = takeBriefLock(file)
      takeBriefLock(file, 0.01)
    },
    { code: 'ABN_LOCK_UNAVAILABLE' },
  )
  t.deepEqual(readdirSync(directory), ['lock'], 'nothing is left beside the lock file')
})

test('a lock file that cannot be made is an error with a code', (t) => {
  t.throws(() => tryLock(join(temporaryDirectory(t), 'missing/lock'), 'exclusive'), { code: 'ABN_STORE_UNUSABLE' })
})

test('a child process does not keep the lock of its parent', async (t) => {
  const file = join(temporaryDirectory(t), 'lock')
  const lock = tryLock(file, 'exclusive')
  const child = spawn('sleep', ['60'])
  lock?.release()
  using again = tryLock(file, 'exclusive')
  t.truthy(again)
  child.kill('SIGKILL')
})

test('processes that are killed at random leave no lock and never hold it together', async (t) => {
  const directory = temporaryDirectory(t)
  const start = () => spawn(process.execPath, [join(import.meta.dirname, 'children/hold-lock.ts'), directory])
  const children: ChildProcess[] = Array.from({ length: 4 }, start)
  const killed: Promise<unknown>[] = []
  for (let round = 0; round < 12; round++) {
    await delay(150 + Math.random() * 150)
    const victim = round % children.length
    const child = children[victim]
    if (child === undefined) throw new Error('no child')
    killed.push(new Promise((resolve) => child.once('exit', resolve)))
    child.kill('SIGKILL')
    children[victim] = start()
  }
  await delay(300)
  for (const child of children) {
    killed.push(new Promise((resolve) => child.once('exit', resolve)))
    child.kill('SIGKILL')
  }
  await Promise.all(killed)
  const log = readFileSync(join(directory, 'log'), 'utf8').trim().split('\n')
  t.deepEqual(
    log.filter((line) => line !== 'held'),
    [],
  )
  t.true(log.length > 20, `held ${log.length} times`)
  using lock = tryLock(join(directory, 'lock'), 'exclusive')
  t.truthy(lock)
})
