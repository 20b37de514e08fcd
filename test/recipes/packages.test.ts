// What holds for every package without building it: what is said about it, how it is tested, where its sources come from.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { stages } from '../../bootstrap/ladder.ts'
import { ccModules, tccByCc, tccByTcc, tccInputs } from '../../bootstrap/tcc/commands.ts'
import { evaluate, ownChannel } from '../../builder/evaluate/evaluate.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { outputPathsOf } from '../../builder/realise/plan.ts'

const house = join(import.meta.dirname, '../..')

const promised =
  'hello lua zlib bzip2 xz gzip tar make sed grep gawk m4 bash coreutils findutils diffutils patch flex bison jq less'

/** Nothing in their outputs runs by itself: the next stage, or every program that is linked, is the test. */
const untried = new Set(['hex0', 'link', 'abl', 'cc', 'kit', 'musl'])

/** Debian's archive differs from upstream's, or upstream has none; each recipe says which. musl takes functions from tcc. */
const onlyAtDebian = ['bash', 'bison', 'gawk', 'jq', 'make', 'musl', 'tar', 'tcc', 'tcc-boot', 'zlib']

const { packages } = await evaluate([ownChannel])
const byName = new Map(packages.map((each) => [each.derivation.name, each]))

test('every promised package is there, and what it needs', (t) => {
  const missing = promised.split(' ').filter((name) => !byName.has(name))
  t.deepEqual(missing, [])
  t.is(packages.length, byName.size, 'one version of each')
})

for (const each of packages) {
  const { derivation, metadata } = each
  const { name } = derivation

  test(`${name}: what it is, and how it is tested`, (t) => {
    t.regex(metadata.summary, /^.{4,70}[^.]$/)
    t.regex(metadata.license, /^[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*$/)
    if (urlLists(each).length > 0 && !metadata.hidden) t.regex(metadata.homepage, /^https:\/\//)
    t.is(metadata.smoke.length === 0, untried.has(name), 'a smoke test')
    const script = derivation.files.find(({ path }) => path === '.abn/build.sh')?.text
    if (script === undefined || /^phase_check\(\)/m.test(script)) return
    t.regex(recipeText(each), /check: \{ off: '[^']{20,}' \}/, 'the reason why the check phase is off')
  })
}

test("upstream's URLs come before Debian's", (t) => {
  const lists = packages.flatMap(urlLists)
  for (const urls of lists) {
    const first = urls.findIndex(isAtDebian)
    t.true(first < 0 || urls.slice(first).every(isAtDebian), urls.join(' '))
  }
  const without = packages.filter((each) => urlLists(each).some((urls) => urls.every(isAtDebian)))
  t.deepEqual(without.map(({ derivation }) => derivation.name).sort(), onlyAtDebian)
})

test('the recipes of the first stages are the ladder of bootstrap/', (t) => {
  for (const name of ['hex0', 'link', 'abl', 'cc']) {
    const inputs = stages.find((stage) => stage.name === name)?.inputs
    const recipeInputs = localSources(name).filter((path) => !path.endsWith('seed.bin'))
    t.deepEqual(recipeInputs.sort(), [...(inputs ?? [])].sort(), name)
  }
  t.deepEqual(byName.get('cc')?.derivation.steps[0]?.args.slice(2), ccModules)
  t.deepEqual(localSources('tcc-boot').sort(), ['recipes/patches/tcc.patch', ...tccInputs].sort())

  const cc = byName.get('cc')
  if (cc === undefined) return t.fail()
  const compiler = `${outputPathsOf(cc).get('out')}/bin/cc`
  const tccSource = 'tcc-source'
  t.deepEqual(
    byName.get('tcc-boot')?.derivation.steps.map(({ args }) => args),
    [
      tccByCc({ compiler, tccSource, output: 'tcc1' }),
      tccByTcc({ compiler: '/build/tcc1', tccSource, output: '@{out}/bin/tcc' }),
    ],
  )
})

function urlLists({ metadata }: EvaluatedPackage): (readonly string[])[] {
  return Object.values(metadata.sources).flatMap((hint) => (hint.kind === 'urls' ? [hint.urls] : []))
}

function isAtDebian(url: string): boolean {
  return url.startsWith('mirror://debian/')
}

/** Paths of a recipe's own sources, as bootstrap/ladder.ts gives them. */
function localSources(name: string): string[] {
  return Object.values(byName.get(name)?.metadata.sources ?? {}).flatMap((hint) =>
    hint.kind === 'local' ? [hint.path.replace(/^bootstrap\//, '')] : [],
  )
}

function recipeText({ metadata }: EvaluatedPackage): string {
  return readFileSync(join(house, metadata.module), 'utf8')
}
