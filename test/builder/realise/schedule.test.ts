// Who runs beside whom: jobs, two processes at one derivation, an abort, and builds that are done again to compare.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { checkBuild } from '../../../builder/realise/check.ts'
import type { RealiseEvent } from '../../../builder/realise/events.ts'
import { realise } from '../../../builder/realise/realise.ts'
import { processesWith } from '../sandbox/_support/harness.ts'
import { TestChannel, write } from './_support/channel.ts'

const hang = 'fn main() { print("hanging\\n"); pause(); }'

test('independent builds run side by side, as many as there are jobs', async (t) => {
  using channel = new TestChannel()
  const three = ['a', 'b', 'c'].map((name) => channel.package({ name, programs: { hang } }))
  const abort = new AbortController()
  const hanging = new Set<string>()
  const onEvent = (event: RealiseEvent) => {
    if (event.kind !== 'line') return
    hanging.add(event.recipe)
    if (hanging.size === 2) abort.abort(new Error('two at once'))
  }
  await t.throwsAsync(channel.realise(three, { jobs: 2, signal: abort.signal, onEvent }), { message: 'two at once' })
  t.is(hanging.size, 2)
  t.deepEqual(readdirSync(channel.store.layout.temporary), [], 'nothing is left of an aborted build')
})

test('with one job there is one build at a time', async (t) => {
  using channel = new TestChannel()
  const nap = 'fn main() { nap(); return 0; }'
  const three = ['a', 'b', 'c'].map((name) => channel.package({ name, programs: { nap } }))
  const events = await channel.realise(three, { jobs: 1 })
  const order = events.flatMap(({ kind }) => (kind === 'build-start' || kind === 'build-done' ? [kind] : []))
  t.deepEqual(order, Array.from({ length: 3 }, () => ['build-start', 'build-done']).flat())
})

test('a derivation is built once however many want it at the same time', async (t) => {
  using channel = new TestChannel()
  const one = channel.package({ name: 'one', programs: { nap: 'fn main() { nap(); nap(); return 0; }' } })
  const plan = channel.plan(one)
  const events: RealiseEvent[] = []
  const options = channel.options({ onEvent: (event) => events.push(event) })
  await Promise.all([realise(plan, options), realise(plan, options), realise(plan, options)])
  const how = events.flatMap((event) => (event.kind === 'build-done' ? [event.how] : []))
  t.deepEqual(how.sort(), ['built', 'found', 'found'])
})

test('an abort ends the processes of a build', async (t) => {
  using channel = new TestChannel()
  const token = `token-${channel.directory}`
  const one = channel.package({ name: 'one', programs: { hang }, steps: [['./hang', token]] })
  const abort = new AbortController()
  let seen = 0
  const onEvent = (event: RealiseEvent) => {
    if (event.kind !== 'line') return
    seen = processesWith(token).length
    abort.abort(new Error('enough'))
  }
  await t.throwsAsync(channel.realise([one], { signal: abort.signal, onEvent, keepFailed: true }), {
    message: 'enough',
  })
  t.is(seen, 1)
  t.deepEqual(processesWith(token), [])
  t.false(existsSync(join(channel.root, 'var/failed')), 'an aborted build is not kept')
})

test('a build that gives the same bits passes the check', async (t) => {
  using channel = new TestChannel()
  const one = channel.package({ name: 'one', programs: { write }, steps: [['./write', '@{out}/x', 'always the same']] })
  await channel.realise([one])
  const events: RealiseEvent[] = []
  await checkBuild(one, { ...channel.options({ onEvent: (event) => events.push(event) }), rounds: 3 })
  t.is(events.filter(({ kind }) => kind === 'build-done').length, 3)
})

test('a build that does not is an error that names the files', async (t) => {
  using channel = new TestChannel()
  const noise = `
    fn main(argc, argv) {
      var random = open("/dev/urandom", 0, 0);
      read(random, out, 8);
      var fd = open(argv[1], 0x41, 0x1a4);
      write(fd, "the same, then: ", 16);
      write(fd, out, 8);
      return 0;
    }`
  const one = channel.package({
    name: 'one',
    programs: { noise, write },
    steps: [
      ['./noise', '@{out}/noise'],
      ['./write', '@{out}/steady', 'x'],
    ],
  })
  await channel.realise([one])
  const before = readFileSync(join(channel.physical(one), 'noise'))
  let kept: string | undefined
  const onEvent = (event: RealiseEvent) => {
    if (event.kind === 'build-failed') kept = event.failure.kept
  }
  const error = await t.throwsAsync(checkBuild(one, channel.options({ keepFailed: true, onEvent })), {
    code: 'ABN_CHECK_DIFFERS',
  })
  t.regex(error?.message ?? '', /-one-1\/noise: both 24 bytes, the first difference is at byte 1[6-9]/)
  t.notRegex(error?.message ?? '', /steady/)
  t.deepEqual(readFileSync(join(channel.physical(one), 'noise')), before, 'the store has what it had')
  t.is(readFileSync(join(kept ?? '', 'output-out/noise')).length, 24)
})

test('after a failure nothing more begins; with keepGoing all does that does not need what failed', async (t) => {
  using channel = new TestChannel()
  const failing = (name: string) => channel.package({ name, programs: { fail: 'fn main(argc, argv) { return 3; }' } })
  const good = (name: string, inputs: Parameters<typeof channel.package>[0]['inputs'] = []) =>
    channel.package({ name, inputs, programs: { write }, steps: [['./write', '@{out}/x', name]] })
  const bad = failing('bad')
  const worse = failing('worse')
  const above = good('above', [bad])
  const other = good('other')
  const last = good('last', [other])
  await t.throwsAsync(channel.realise([bad, worse, above, last], { jobs: 1 }), { message: /^(building )?bad 1/ })
  t.false(channel.has(last))
  const error = await t.throwsAsync(channel.realise([bad, worse, above, last], { jobs: 1, keepGoing: true }), {
    code: 'ABN_BUILD_FAILED',
  })
  t.regex(error?.message ?? '', /^2 failures:\n.*bad 1.*worse 1/s)
  t.deepEqual(
    [bad, worse, above, other, last].map((one) => channel.has(one)),
    [false, false, false, true, true],
  )
})
