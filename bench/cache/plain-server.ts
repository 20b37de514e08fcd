// Serves a directory as one would write it first, to compare with: node plain-server.ts DIRECTORY. Prints its address.
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

const [directory = ''] = process.argv.slice(2)
const server = createServer((request, response) => {
  const file = join(directory, `${request.url}`)
  response.setHeader('content-length', statSync(file).size)
  createReadStream(file).pipe(response)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') process.stdout.write(`http://127.0.0.1:${address?.port}\n`)
})
