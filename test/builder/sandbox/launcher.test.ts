// Programs of a store that lies elsewhere: the launcher makes it appear at /abn/store and changes nothing else.
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { isAtItsPlace, launcherMaker, runWithStore } from '../../../builder/sandbox/launcher.ts'
import { compiledProgram, launcherSources } from '../../../builder/sandbox/programs.ts'
import { own, place, users } from './_support/harness.ts'
import { writeProbe } from './_support/probes.ts'

const run = promisify(execFile)

const show = `
  fn main(argc, argv) {
    var i = 0;
    while (i < argc) { print(argv[i]); print("|"); i = i + 1; }
    syscall(79, out, 4096, 0, 0, 0, 0); print(out); print("\\n");
    say("uid", syscall(102, 0, 0, 0, 0, 0, 0));
    say("gid", syscall(104, 0, 0, 0, 0, 0, 0));
    say("store", open("/abn/store/item/bin/show", 0, 0) >= 0);
    say("write", open("/abn/store/item/new", 0x41, 0x1a4));
    say("host", open("/usr", O_DIRECTORY, 0) >= 0 && open("/proc/self/status", 0, 0) >= 0 && open("/dev/null", 2, 0) >= 0);
    return 7 * (argc > 1);
  }`

for (const user of users) {
  const { ids } = user
  const [uid, gid] = [ids?.uid ?? process.getuid?.(), ids?.gid ?? process.getgid?.()]
  const expected = [`uid ${uid}`, `gid ${gid}`, 'store 1', 'write -30', 'host 1']

  test(`a command of a profile (as ${user.name})`, async (t) => {
    const at = place(user)
    try {
      const store = join(at.directory, 'a store')
      writeProbe(join(store, 'item/bin/show'), show)
      const make = await launcherMaker({ store, cache: join(at.directory, 'cache') })
      const bin = join(at.directory, 'bin')
      mkdirSync(bin)
      const hello = join(bin, 'hello')
      writeFileSync(hello, make('/abn/store/item/bin/show'), { mode: 0o555 })
      symlinkSync('hello', join(bin, 'by-symlink'))
      linkSync(hello, join(bin, 'by-link'))
      own(store, user)
      chmodSync(at.directory, 0o755)
      for (const name of ['hello', 'by-symlink', 'by-link']) {
        const { stdout } = await run(join(bin, name), [], { cwd: bin, ...ids })
        t.deepEqual(stdout.trim().split('\n'), [`${join(bin, name)}|${bin}`, ...expected])
      }
      await t.throwsAsync(run(hello, ['x', 'y z'], { cwd: '/', argv0: 'other', ...ids } as object), {
        code: 7,
      } as object)
      t.false(existsSync(join(store, 'item/new')))
    } finally {
      at.remove()
    }
  })

  test(`a program by its path (as ${user.name})`, async (t) => {
    const at = place(user)
    try {
      const store = join(at.directory, 'store')
      writeProbe(join(store, 'item/bin/show'), show)
      own(store, user)
      const launcher = await compiledProgram(launcherSources, join(at.directory, 'cache'))
      chmodSync(at.directory, 0o755)
      const { stdout } = await run(launcher, [store, '/abn/store/item/bin/show'], { cwd: '/', ...ids })
      t.deepEqual(stdout.trim().split('\n'), ['/abn/store/item/bin/show|/', ...expected])
      const nested = await run(launcher, [store, launcher, store, '/abn/store/item/bin/show'], { cwd: '/', ...ids })
      t.is(nested.stdout, stdout, 'inside, it does nothing a second time')
      const missing = await t.throwsAsync(run(launcher, [store, '/abn/store/none'], { cwd: '/', ...ids }))
      t.like(missing ?? {}, { code: 127, stderr: 'abnpkg: cannot run /abn/store/none: error 2\n' })
    } finally {
      at.remove()
    }
  })
}

test('runWithStore gives the exit status, and 128 + the signal', async (t) => {
  const at = place({ name: 'this user' })
  try {
    const store = join(at.directory, 'store')
    writeProbe(join(store, 'item/exit'), 'fn main(argc, argv) { return number(argv[1]); }')
    writeProbe(join(store, 'item/crash'), 'fn main() { var p = 0; return p[0]; }')
    const cache = join(at.directory, 'cache')
    const status = (program: string, args: string[]) =>
      runWithStore({ store, cache, program: `/abn/store/item/${program}`, args })
    t.is(await status('exit', ['0']), 0)
    t.is(await status('exit', ['5']), 5)
    t.is(await status('crash', []), 128 + 11)
    t.false(isAtItsPlace(store))
    t.false(isAtItsPlace(join(at.directory, 'none')))
  } finally {
    at.remove()
  }
})

test('what a launcher cannot carry is a mistake of the caller', async (t) => {
  const at = place({ name: 'this user' })
  try {
    const make = await launcherMaker({ store: '/s', cache: join(at.directory, 'cache') })
    t.throws(() => make('/abn/store/a\0b'), { instanceOf: TypeError })
    t.throws(() => make('x'.repeat(20_000)), { instanceOf: TypeError })
  } finally {
    at.remove()
  }
})
