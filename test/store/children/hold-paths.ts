// Holds the store paths that it is given, says so, and stays until it is killed.
import { parseStorePath } from '../../../format/store-path.ts'
import { holdPaths } from '../../../store/hold.ts'
import { openStore } from '../../../store/store.ts'

const [root = '', ...paths] = process.argv.slice(2)
await holdPaths(openStore({ root }), 'shell', paths.map(parseStorePath))
process.stdout.write('held\n')
setInterval(() => {}, 1000)
