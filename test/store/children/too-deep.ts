/**
 * Makes a workspace with directories deeper than a path can name, some of them read-only, and a name that is not UTF-8 at the
 * bottom; then dies (`die`), or disposes of it and prints what is left (`dispose`): `too-deep.ts ROOT die|dispose`.
 */
import { chmodSync, mkdirSync, readdirSync, writeFileSync, writeSync } from 'node:fs'
import { openStore } from '../../../store/store.ts'

const [, , root = '', then] = process.argv
const store = openStore({ root })
const workspace = await store.createWorkspace()
for (const top of ['a', 'b']) {
  mkdirSync(`${workspace.directory}/${top}`)
  process.chdir(`${workspace.directory}/${top}`)
  const made = 40
  for (let i = 0; i < made; i++) {
    const name = String(i % 10).repeat(200)
    mkdirSync(name)
    writeFileSync('file', '')
    process.chdir(name)
  }
  writeFileSync(Buffer.from([0xff]), '')
  for (let i = 0; i < made; i++) {
    chmodSync('.', i % 3 === 0 ? 0o555 : 0o755)
    process.chdir('..')
  }
}
process.chdir('/')
if (then === 'die') {
  writeSync(1, workspace.directory)
  process.kill(process.pid, 'SIGKILL')
}
workspace[Symbol.dispose]()
process.stdout.write(JSON.stringify(readdirSync(store.layout.temporary)))
