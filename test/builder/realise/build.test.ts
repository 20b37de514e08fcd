// Builds that succeed: what is prepared, what the steps see, what is in the store and in the log afterwards.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { logPathOf, readLog } from '../../../builder/realise/log.ts'
import { outputPathsOf } from '../../../builder/realise/plan.ts'
import { copier, TestChannel, write } from './_support/channel.ts'

test('a chain of two builds, in which the second runs what the first installed', async (t) => {
  using channel = new TestChannel()
  const tool = channel.package({
    name: 'tool',
    programs: { copier, write },
    directories: ['@{out}/bin'],
    steps: [['./copier', '/build/write', '@{out}/bin/write']],
  })
  const user = channel.package({
    name: 'user',
    inputs: [tool],
    env: { PATH: `${outputPathsOf(tool).get('out')}/bin` },
    steps: [['write', '@{out}/made', 'by the tool']],
  })
  const plan = channel.plan(user)
  t.deepEqual(
    plan.steps.map((step) => [step.package.derivation.name, step.needs.length]),
    [
      ['tool', 0],
      ['user', 1],
    ],
  )
  const events = await channel.realise([user])
  t.is(readFileSync(join(channel.physical(user), 'made'), 'utf8'), 'by the tool')
  t.deepEqual(
    events.filter(({ kind }) => kind === 'build-done').map((event) => event.kind === 'build-done' && event.how),
    ['built', 'built'],
  )
  t.deepEqual(channel.plan(user).steps, [], 'now it is there')
  t.deepEqual(await channel.realise([user]).then((all) => all.map(({ kind }) => kind)), ['plan'])

  const [item] = [...outputPathsOf(user).values()].map((path) => channel.store.readItem(path))
  t.like(item, { name: 'user', output: 'out', references: [] })
  t.like(item?.origin, { kind: 'built', system: 'x86_64-linux' })
  t.deepEqual(item?.origin.kind === 'built' && item.origin.inputs.map(({ path }) => path), [
    ...outputPathsOf(tool).values(),
  ])
  t.is(statSync(channel.physical(user)).mode & 0o7777, 0o555)
  t.deepEqual(readdirSync(channel.store.layout.temporary), [], 'no workspace is left')
})

test('directories, files, links, outputs and placeholders', async (t) => {
  using channel = new TestChannel()
  const show = `
    fn cat(path) { var fd = open(path, 0, 0); if (fd < 0) { say(path, fd); return; } out.[read(fd, out, 1000)] = 0; print(out); print("\\n"); close(fd); }
    fn main(argc, argv) {
      cat("/etc/link"); cat("sub/file"); cat(argv[1]);
      out.[readlink("/etc/link", out, 1000)] = 0; print(out); print("\\n");
      print(argv[2]); print("\\n");
      return 0;
    }`
  const one = channel.package({
    name: 'many',
    programs: { show, write },
    outputs: ['doc', 'out'],
    directories: ['@{doc}/share', '@{out}', 'sub/deep'],
    files: [
      { path: '@{out}/etc/conf', text: 'doc is @{doc}\n', executable: false },
      { path: 'sub/file', text: 'out is @{out}\n', executable: true },
    ],
    links: [{ path: '/etc/link', target: '@{out}/etc/conf' }],
    env: { DOC: '@{doc}' },
    steps: [
      { args: ['/build/show', '@{out}/etc/conf', '@{doc}'] },
      { args: ['../write', '@{doc}/share/text', 'x'], cwd: '/build/sub' },
    ],
  })
  await channel.realise([one])
  const outputs = outputPathsOf(one)
  const [out, doc] = [outputs.get('out'), outputs.get('doc')]
  if (!out || !doc) return t.fail()
  const log = readLog(logPathOf(channel.store.layout, out)).toString()
  t.deepEqual(log.split('\n'), [
    `doc is ${doc}`,
    '',
    `out is ${out}`,
    '',
    `doc is ${doc}`,
    '',
    `${out}/etc/conf`,
    doc,
    '',
  ])
  t.is(readFileSync(join(channel.physical(one, 'doc'), 'share/text'), 'utf8'), 'x')
  t.deepEqual(channel.store.readItem(out).references, [doc])
  t.deepEqual(channel.store.readItem(doc).references, [])
})

test('lines of output and steps are reported while it builds', async (t) => {
  using channel = new TestChannel()
  const talk = 'fn main(argc, argv) { print(argv[1]); print("\\nand more\\n"); return 0; }'
  const one = channel.package({
    name: 'talk',
    programs: { talk },
    steps: [
      ['./talk', 'one'],
      ['./talk', 'two'],
    ],
  })
  const events = await channel.realise([one])
  t.deepEqual(
    events.flatMap((event) => (event.kind === 'line' ? [event.line] : [])),
    ['one', 'and more', 'two', 'and more'],
  )
  t.deepEqual(
    events.flatMap((event) => (event.kind === 'step' ? [`${event.step}/${event.steps}`] : [])),
    ['0/2', '1/2'],
  )
  t.deepEqual(
    events.flatMap((event) => (event.kind === 'phase' ? [event.phase] : [])),
    ['unpack', 'build', 'register'],
  )
})

test('smoke tests see the outputs and what they refer to, and nothing else', async (t) => {
  using channel = new TestChannel()
  const quiet = channel.package({ name: 'quiet', programs: { write }, steps: [['./write', '@{out}/x', 'x']] })
  const path = outputPathsOf(quiet).get('out')
  const look = `fn main(argc, argv) { say("input", open(argv[1], O_DIRECTORY, 0)); chdir("/"); say("build", open("build", O_DIRECTORY, 0));
      say("output", mkdir("/abn/store/x", 0x1ed)); return 0; }`
  const recipe = {
    name: 'look',
    programs: { copier, look },
    inputs: [quiet],
    directories: ['@{out}/bin'],
    smoke: [['bin/look', String(path)]],
  }
  const without = channel.package({ ...recipe, steps: [['./copier', '/build/look', '@{out}/bin/look']] })
  const referring = channel.package({
    ...recipe,
    steps: [['./copier', '/build/look', '@{out}/bin/look']],
    files: [{ path: '@{out}/ref', text: String(path), executable: false }],
  })
  const linesOf = async (one: typeof without) =>
    (await channel.realise([one])).flatMap((event) => (event.kind === 'line' ? [event.line] : []))
  t.deepEqual(await linesOf(without), ['input -2', 'build -2', 'output -30'])
  t.deepEqual(await linesOf(referring), ['input 3', 'build -2', 'output -30'])
})

test('an input that is needed for one output only is built as a whole', async (t) => {
  using channel = new TestChannel()
  const two = channel.package({
    name: 'two',
    programs: { write },
    outputs: ['lib', 'out'],
    steps: [
      ['./write', '@{lib}/l', 'l'],
      ['./write', '@{out}/o', 'o'],
    ],
  })
  const user = channel.package({
    name: 'user',
    inputs: [[two, 'lib']],
    programs: { copier },
    steps: [['./copier', `${outputPathsOf(two).get('lib')}/l`, '@{out}/l']],
  })
  await channel.realise([user])
  t.true(existsSync(join(channel.physical(two, 'out'), 'o')))
  t.true(channel.has(two))
})
