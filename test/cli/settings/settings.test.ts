import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { workOptions } from '../../../cli/plans/work.ts'
import { noteApplied, settingNames, settingOf, withSettings } from '../../../cli/settings/settings.ts'
import { applySettings, problemOf, settings, valuesIn } from '../../../cli/settings/settings-file.ts'
import { settingsPage, settingsSchema } from '../../../cli/settings/settings-page.ts'
import { house, makeHome } from '../../_support/channel.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const pages = { 'docs/settings.md': settingsPage, 'docs/schemas/config.schema.json': settingsSchema }

for (const [file, make] of Object.entries(pages)) {
  test(`${file} is what the table says (ACCEPT=1 writes it)`, (t) => {
    if (process.env.ACCEPT === '1') writeFileSync(join(house, file), make())
    const there = readFileSync(join(house, file), 'utf8')
    // How JSON is laid out is the formatter's affair.
    if (file.endsWith('.json')) t.deepEqual(JSON.parse(there), JSON.parse(make()))
    else t.is(there, make())
  })
}

test('each file of a directory is found, that of the person first', (t) => {
  const home = temporaryDirectory(t)
  mkdirSync(`${home}/abnpkg`)
  writeFileSync(`${home}/abnpkg/config.json`, '{"format":1,"jobs":3,"offline":true,"root":"/data/abn"}')
  const env: NodeJS.ProcessEnv = { XDG_CONFIG_HOME: home, ABNPKG_JOBS: '5' }
  const applied = applySettings(env)
  t.is(applied.problem, undefined)
  t.deepEqual(env, { XDG_CONFIG_HOME: home, ABNPKG_JOBS: '5', ABNPKG_OFFLINE: 'true', ABNPKG_ROOT: '/data/abn' })
  noteApplied(applied)
  t.deepEqual(settingOf('jobs', env), { value: 5, from: '$ABNPKG_JOBS' })
  t.deepEqual(settingOf('offline', env), { value: true, from: `${home}/abnpkg/config.json` })
  t.is(settingOf('cores', env), undefined)
})

const refused = test.macro((t, text: string, problem: RegExp) => {
  const read = valuesIn(text)
  t.regex(typeof read === 'string' ? read : JSON.stringify([...read]), problem)
})

test('no JSON', refused, '{', /^not JSON$/)
test('no object', refused, '[]', /^expected an object$/)
test('no format', refused, '{"jobs":1}', /^format: expected 1, got nothing$/)
test('a newer format', refused, '{"format":2}', /^format: expected 1, got 2; a newer/)
test('an unknown field', refused, '{"format":1,"job":1}', /^there is no setting called "job"$/)
test('a name of the prototype', refused, '{"format":1,"toString":1}', /^there is no setting called "toString"$/)
test('a number as text', refused, '{"format":1,"jobs":"1"}', /^jobs: expected a whole number of at least 1, got "1"$/)
test('no jobs', refused, '{"format":1,"jobs":0}', /^jobs: expected/)
test('a relative root', refused, '{"format":1,"root":"here"}', /^root: expected an absolute path, got "here"$/)
test('a choice', refused, '{"format":1,"color":"blue"}', /^color: expected one of auto, always, never, got "blue"$/)
test('a time', refused, '{"format":1,"timeout":"soon"}', /^timeout: expected a time/)
test('a mirror', refused, '{"format":1,"debianMirror":"ftp://x"}', /^debianMirror: expected an http/)

test('every setting has a variable of its own, and an option that exists', (t) => {
  const variables = settingNames().map((name) => settings[name].variable)
  t.is(new Set(variables).size, variables.length)
  for (const name of settingNames()) {
    const setting = settings[name]
    if ('option' in setting && name !== 'root') t.true(setting.option in workOptions, name)
    t.is(typeof problemOf(name, {}), 'string')
  }
})

test.serial('an option goes before a variable', (t) => {
  const args = (options: Record<string, string>) => ({ options, names: [], rest: [] })
  process.env.ABNPKG_JOBS = '4'
  process.env.ABNPKG_KEEP_FAILED = 'true'
  t.teardown(() => {
    delete process.env.ABNPKG_JOBS
    delete process.env.ABNPKG_KEEP_FAILED
  })
  t.deepEqual(withSettings(args({ jobs: '2' }), workOptions).options, { jobs: '2', 'keep-failed': true })
  t.deepEqual(withSettings(args({}), workOptions).options, { jobs: '4', 'keep-failed': true })
  t.deepEqual(withSettings(args({}), {}).options, {})
  process.env.ABNPKG_JOBS = 'many'
  t.throws(() => withSettings(args({}), workOptions), {
    code: 'ABN_CONFIGURATION',
    message: '$ABNPKG_JOBS: expected a whole number of at least 1, got "many"',
  })
})

test('a file that is not valid stops everything but what mends it', (t) => {
  using home = makeHome()
  const run = (...args: string[]) => spawnSync('abnpkg', args, { env: home.env, encoding: 'utf8' })
  const set = run('config', 'set', 'jobs', '2')
  t.is(set.status, 0, set.stderr)
  t.is(run('config', 'get', 'jobs').stdout, '2\n')
  const file = run('config', 'path').stdout.trim()
  t.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { format: 1, jobs: 2 })
  writeFileSync(file, '{"format":1,"jobs":0}')
  const failed = run('list')
  t.is(failed.status, 1)
  t.regex(failed.stderr, /^error\[ABN_CONFIGURATION\]: .*config\.json: jobs: expected a whole number/)
  t.is(run('config', 'set', 'cores', '1').status, 1)
  t.is(run('config', 'path').status, 0)
  t.is(run('help').status, 0)
  t.is(run('install', 'greet').status, 1)
})

test('the store of the file of settings is used', (t) => {
  using home = makeHome()
  const { ABNPKG_ROOT, ...env } = home.env
  const run = (...args: string[]) => spawnSync('abnpkg', args, { env, encoding: 'utf8' })
  t.is(run('config', 'set', 'root', ABNPKG_ROOT ?? '').status, 0)
  t.is(run('build', 'tool').status, 0)
  t.true(run('path', 'tool').stdout.startsWith(`${ABNPKG_ROOT}/store/`))
})
