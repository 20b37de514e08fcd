/** What needs care without root's powers: directories that are read-only. */
import assert from 'node:assert'
import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { removeDirectory } from '../../../store/remove-directory.ts'
import { openStore } from '../../../store/store.ts'
import { pathOf, registerFiles } from '../support.ts'

const root = process.argv[2] ?? ''
const store = openStore({ root })
const left = store.physicalPath(pathOf('hello'))
mkdirSync(`${left}/a/b`, { recursive: true })
chmodSync(`${left}/a`, 0o555)
chmodSync(left, 0o555)
const prepare = (directory: string) => chmodSync(`${directory}/closed`, 0)
await registerFiles(store, 'hello', { out: { 'x/y': 'z', 'closed/a': 'b' } }, { prepare })
await registerFiles(store, 'hello', { out: { 'x/y': 'z', 'closed/a': 'b' } })
assert.deepEqual(readdirSync(left), ['closed', 'x'])
removeDirectory(root)
console.log('done')
