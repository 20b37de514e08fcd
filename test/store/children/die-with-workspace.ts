/** Dies with a workspace that holds read-only directories and a name that is not UTF-8. */
import { chmodSync, mkdirSync, writeFileSync, writeSync } from 'node:fs'
import { openStore } from '../../../store/store.ts'

const store = openStore({ root: process.argv[2] ?? '' })
const { directory } = await store.createWorkspace()
mkdirSync(`${directory}/a/b`, { recursive: true })
writeFileSync(Buffer.concat([Buffer.from(`${directory}/a/`), Buffer.from([0xff])]), '')
chmodSync(`${directory}/a/b`, 0o555)
chmodSync(`${directory}/a`, 0o555)
writeSync(1, directory)
process.kill(process.pid, 'SIGKILL')
