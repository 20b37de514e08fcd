// Serves a cache until it is killed: argv[2] is the data directory. Prints the URL.
import { startCache } from '../../../cache-server/server.ts'
import { configOf } from '../support.ts'

const { url } = await startCache({ data: process.argv[2] ?? '', config: configOf() })
process.stdout.write(`${url}\n`)
