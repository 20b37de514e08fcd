/** Servers of a test, on loopback. */
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'

/** Its address, as `http://127.0.0.1:PORT`. It goes away with the test, and who is connected then is cut off. */
export async function listening(
  t: { teardown(action: () => void): void },
  server: Server & { closeAllConnections(): void },
): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
