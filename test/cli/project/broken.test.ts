// Broken recipes: what a project needs is never quietly something else because of them.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { abnpkgIn, lockIn, lockTextIn, type ProjectHome, projectHome, writeProjectFile } from './support.ts'

const pear = (version: string) =>
  [
    "import { out, recipe, steps } from 'abnpkg'",
    "import { tool } from './tool.ts'",
    `export const pear = recipe({ name: 'pear', version: '${version}', summary: 'a fruit', license: 'MIT', tools: [tool],`,
    `  build: steps({ directories: [\`\${out}/share\`], steps: [['tool', 'write', \`\${out}/share/pear\`, 'pear']] }) })`,
  ].join('\n')

function writeRecipe({ channel }: Pick<ProjectHome, 'channel'>, name: string, text: string): void {
  writeFileSync(join(channel, 'recipes/packages', `${name}.ts`), text)
}

const changes = [['lock'], ['update'], ['add', 'pear'], ['sync']] as const

for (const words of changes) {
  test(`${words.join(' ')}: a lower version does not take the place of a broken recipe`, async (t) => {
    const home = projectHome(t)
    writeRecipe(home, 'pear', pear('1.0.0'))
    writeRecipe(home, 'pear-new', `${pear('1.1.0')}\nexport const x = {`)
    writeProjectFile(home, { packages: { pear: '^1.0.0' } })
    const refused = await abnpkgIn(home, ...words)
    t.is(refused.status, 1, refused.text)
    t.regex(refused.stderr, /^1 recipe is broken: 'abnpkg show --broken'/m)
    t.regex(
      refused.stderr,
      /^error\[ABN_RECIPE_SYNTAX\]: the recipe of pear is broken: recipes\/packages\/pear-new\.ts/m,
    )
    t.throws(() => lockTextIn(home), { code: 'ENOENT' })
    // An exact version is what it is; and what is locked may stay.
    writeProjectFile(home, { packages: { pear: '1.0.0' } })
    const exact = await abnpkgIn(home, 'lock')
    t.is(exact.status, 0, exact.text)
    writeProjectFile(home, { packages: { pear: '^1.0.0' } })
    const kept = await abnpkgIn(home, 'lock')
    t.is(kept.status, 0, kept.text)
    t.is(lockIn(home).packages[0]?.version, '1.0.0')
    rmSync(join(home.channel, 'recipes/packages/pear-new.ts'))
    writeRecipe(home, 'pear-new', pear('1.1.0'))
    const mended = await abnpkgIn(home, 'update')
    t.is(mended.status, 0, mended.text)
    t.notRegex(mended.stderr, /broken/)
    t.is(lockIn(home).packages[0]?.version, '1.1.0')
  })
}

test('what needs a broken recipe is missing with a reason; the rest is told of, and works', async (t) => {
  const home = projectHome(t)
  writeRecipe(home, 'pear', pear('1.0.0'))
  writeProjectFile(home, { packages: { pear: '*', greet: '*' } })
  const locked = await abnpkgIn(home, 'lock')
  t.is(locked.status, 0, locked.text)
  const tool = readFileSync(join(home.channel, 'recipes/packages/tool.ts'), 'utf8')
  writeRecipe(home, 'pear', pear('1.0.0').replace('./tool.ts', './toool.ts'))
  const update = await abnpkgIn(home, 'update')
  t.is(update.status, 1)
  t.regex(update.stderr, /^error\[ABN_RECIPE_\w+\]: the recipe of pear is broken/m)
  writeRecipe(home, 'pear', pear('1.0.0'))
  writeRecipe(home, 'tool', `${tool}\nthrow new Error('no')`)
  const before = lockTextIn(home)
  const all = await abnpkgIn(home, 'update')
  t.is(all.status, 1)
  t.regex(all.stderr, /^1 recipe is broken, and \d+ that need it/m)
  t.regex(all.stderr, /^error\[ABN_RECIPE_NEEDS_BROKEN\]: the recipe of \w+ is broken/m)
  t.is(lockTextIn(home), before)
  // In a store that has nothing of it, --frozen would have to build.
  const elsewhere = await abnpkgIn(home, 'sync', '--frozen', '--root', join(home.directory, 'elsewhere'))
  t.is(elsewhere.status, 1)
  t.regex(elsewhere.stderr, /^error\[ABN_RECIPE_NEEDS_BROKEN\]: the recipe of \w+ is broken/m)
  const outdated = await abnpkgIn(home, 'outdated', '--json')
  t.is(outdated.status, 0, outdated.text)
  t.regex(outdated.stderr, /broken/)
})

test('installing and upgrading go on, and tell', async (t) => {
  const home = projectHome(t)
  writeRecipe(home, 'pear', pear('1.0.0'))
  writeRecipe(home, 'pear-new', `${pear('1.1.0')}\nexport const x = {`)
  for (const words of [
    ['install', 'pear'],
    ['install', 'pear'],
  ]) {
    const said = await abnpkgIn(home, ...words)
    t.is(said.status, 0, said.text)
    t.regex(said.stderr, /^warning: recipes\/packages\/pear-new\.ts is broken, so that pear means 1\.0\.0 for now: /m)
  }
  const exact = await abnpkgIn(home, 'install', 'pear@1.0.0')
  t.notRegex(exact.stderr, /broken/)
  t.regex((await abnpkgIn(home, 'upgrade')).stderr, /^1 recipe is broken/m)
  // One that is broken altogether holds up the others only when it is named.
  writeRecipe(home, 'pear', `${pear('1.0.0')}\nexport const x = {`)
  const upgraded = await abnpkgIn(home, 'upgrade')
  t.is(upgraded.status, 0, upgraded.text)
  t.regex(upgraded.stdout, /^= pear 1\.0\.0, because the recipe of pear@1\.0\.0 is broken$/m)
  t.is((await abnpkgIn(home, 'upgrade', 'pear')).status, 1)
  writeRecipe(home, 'pear', pear('1.0.0'))
  rmSync(join(home.channel, 'recipes/packages/pear-new.ts'))
  writeRecipe(home, 'pear-new', pear('1.1.0'))
  t.notRegex((await abnpkgIn(home, 'install', 'pear')).stderr, /broken/)
})

test('a name does not come to mean the package of another channel', async (t) => {
  const home = projectHome(t)
  const mine = join(home.directory, 'mine')
  mkdirSync(join(mine, 'recipes/packages'), { recursive: true })
  writeFileSync(join(mine, 'recipes/packages/pear.ts'), pear('3.0.0').replace('./tool.ts', 'abnpkg/tool.ts'))
  t.is((await abnpkgIn(home, 'channel', 'add', 'mine', mine, '--live')).status, 0)
  t.is((await abnpkgIn(home, 'show', 'pear')).status, 0)
  writeRecipe(home, 'pear', `${pear('1.0.0')}\nexport const x = {`)
  for (const words of [
    ['show', 'pear'],
    ['install', 'pear'],
  ]) {
    const said = await abnpkgIn(home, ...words)
    t.is(said.status, 1, said.text)
    t.regex(said.stderr, /^error\[ABN_RECIPE_SYNTAX\]: the recipe of pear is broken/m)
  }
  t.is((await abnpkgIn(home, 'install', 'mine:pear')).status, 0)
  // A channel that cannot be read at all may have had what is not there.
  rmSync(mine, { recursive: true })
  const gone = await abnpkgIn(home, 'show', 'plum')
  t.is(gone.status, 1)
  t.regex(gone.stderr, /there is no package called plum, but the channel mine cannot be read/)
})

test('recipe check, lint and refresh tell what is broken', async (t) => {
  const home = projectHome(t)
  const mine = { channel: home.project }
  mkdirSync(join(home.project, 'recipes/packages'), { recursive: true })
  const theirs = (version: string) => pear(version).replace('./tool.ts', 'abnpkg/tool.ts')
  writeRecipe(mine, 'pear', theirs('1.0.0'))
  writeRecipe(mine, 'plum', 'export const x = {')
  const check = await abnpkgIn(home, 'recipe', 'check', 'pear')
  t.is(check.status, 0, check.text)
  t.regex(check.stderr, /^1 recipe is broken/m)
  const lintOne = await abnpkgIn(home, 'recipe', 'lint', 'pear')
  t.regex(lintOne.stderr, /^1 recipe is broken/m)
  t.notRegex(lintOne.stdout, /plum/)
  const lintAll = await abnpkgIn(home, 'recipe', 'lint')
  t.is(lintAll.status, 1)
  t.regex(lintAll.stdout, /recipes\/packages\/plum\.ts:\d+: .*\(ABN_RECIPE_SYNTAX\)/)
  const refresh = await abnpkgIn(home, 'recipe', 'refresh', '--offline')
  t.is(refresh.status, 1)
  t.regex(refresh.stdout, /^plum: broken: /m)
  writeRecipe(mine, 'plum', `${theirs('1.1.0')}\nexport const x = {`)
  const refused = await abnpkgIn(home, 'recipe', 'check', 'pear')
  t.is(refused.status, 1)
  t.regex(refused.stderr, /^error\[ABN_RECIPE_SYNTAX\]: the recipe of here:pear is broken/m)
  // One recipe of two in a module.
  writeRecipe(mine, 'plum', theirs('1.2.0').replaceAll('pear', 'plum').replace("license: 'MIT'", 'license: 7'))
  const partly = await abnpkgIn(home, 'recipe', 'lint', 'recipes/packages/plum.ts')
  t.is(partly.status, 1)
  t.regex(partly.stdout, /plum\.ts.*\(ABN_RECIPE_\w+\)/)
})
