// Serves a cache until it is killed: argv[2] is the data directory, argv[3] the file of a log's key where there is a log. Prints the URL.
import { startCache } from '../../../cache-server/server.ts'
import { configOf } from '../support.ts'

const [, , data = '', key] = process.argv
const log = key === undefined ? undefined : { key, witnesses: [], quorum: 0, batchSeconds: 0.02, refreshSeconds: 0 }
const { url } = await startCache({ data, config: configOf({ log }) })
process.stdout.write(`${url}\n`)
