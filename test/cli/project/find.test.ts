// Where a project is found and where not, and files that are not what they should be.
import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { newProject, projectAt, readProject, writeProject } from '../../../cli/project/find.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const none = '{"packages":{}}\n'

function tree(t: { teardown(action: () => void): void }): { home: string; project: string; below: string } {
  const home = temporaryDirectory(t)
  const below = join(home, 'project/src/deep')
  mkdirSync(below, { recursive: true })
  return { home, project: join(home, 'project'), below }
}

test('the nearest one above', (t) => {
  const { home, project, below } = tree(t)
  t.is(projectAt(below, { HOME: home }), undefined)
  writeFileSync(join(home, 'abnpkg.json'), none)
  t.is(projectAt(below, { HOME: home })?.directory, home)
  writeFileSync(join(project, 'abnpkg.json'), none)
  t.is(projectAt(below, { HOME: home })?.directory, project)
  t.is(projectAt(project, { HOME: home })?.directory, project)
})

test('not above the home directory', (t) => {
  const { home, project, below } = tree(t)
  writeFileSync(join(home, 'abnpkg.json'), none)
  t.is(projectAt(below, { HOME: project }), undefined)
  t.is(projectAt(below, { HOME: '/nowhere' })?.directory, home)
})

test('through a symbolic link to a directory', (t) => {
  const { home, project, below } = tree(t)
  writeFileSync(join(project, 'abnpkg.json'), none)
  symlinkSync(below, join(home, 'link'))
  t.is(projectAt(join(home, 'link'), { HOME: home })?.directory, project)
})

const asRoot = process.getuid?.() === 0 ? test : test.skip
asRoot('not one that another user has put there', (t) => {
  const { home, project, below } = tree(t)
  writeFileSync(join(home, 'abnpkg.json'), none)
  chownSync(join(home, 'abnpkg.json'), 12345, 12345)
  t.is(projectAt(below, { HOME: home }), undefined)
  // The owner of the directory may have one.
  for (const directory of [project, join(project, 'src'), below]) chownSync(directory, 12345, 12345)
  t.is(projectAt(below, { HOME: home })?.directory, home)
})

const unreadable = test.macro((t, make: (file: string) => void, message: RegExp) => {
  const { project } = tree(t)
  make(join(project, 'abnpkg.json'))
  t.throws(() => projectAt(project, {}), { code: 'ABN_PROJECT_FILE', message })
  // And so for the lock.
  const { project: other } = tree(t)
  writeFileSync(join(other, 'abnpkg.json'), none)
  make(join(other, 'abnpkg.lock'))
  t.throws(() => projectAt(other, {}), { code: 'ABN_PROJECT_FILE', message })
})

test('a symbolic link to a secret', unreadable, (file) => symlinkSync('/etc/passwd', file), /symbolic link/)
test('a symbolic link to nothing', unreadable, (file) => symlinkSync('/nowhere', file), /symbolic link/)
test('a directory', unreadable, (file) => mkdirSync(file), /not a plain file/)
test('a named pipe that nobody writes', unreadable, (file) => void spawnSync('mkfifo', [file]), /not a plain file/)
test('an enormous file', unreadable, (file) => writeFileSync(file, Buffer.alloc(17 << 20, ' ')), /larger than/)
test('bytes that are no text', unreadable, (file) => writeFileSync(file, Buffer.from([0xff, 0xfe])), /encoded|UTF/i)

test('what changed meanwhile is not overwritten', (t) => {
  const { project } = tree(t)
  const file = join(project, 'abnpkg.json')
  writeFileSync(file, none)
  const before = readProject(project)
  writeFileSync(file, '{"packages":{"lua":"*"}}')
  t.throws(() => writeProject(before, { text: '{}', lockText: 'x' }), { code: 'ABN_PROJECT_CHANGED' })
  t.is(readFileSync(file, 'utf8'), '{"packages":{"lua":"*"}}')
  t.is(projectAt(project, {})?.lockText, undefined)
})

test('a new project does not overwrite one that came meanwhile', (t) => {
  const { project } = tree(t)
  const before = newProject(project)
  writeFileSync(join(project, 'abnpkg.lock'), 'x')
  t.throws(() => writeProject(before, { text: none, lockText: 'y' }), { code: 'ABN_PROJECT_CHANGED' })
})

test('a link in place of the lock is not written through', (t) => {
  const { project, home } = tree(t)
  writeFileSync(join(project, 'abnpkg.json'), none)
  const before = readProject(project)
  const victim = join(home, 'victim')
  writeFileSync(victim, 'precious')
  symlinkSync(victim, join(project, 'abnpkg.lock'))
  t.throws(() => writeProject(before, { text: none, lockText: 'y' }), { code: 'ABN_PROJECT_FILE' })
  t.is(readFileSync(victim, 'utf8'), 'precious')
})
