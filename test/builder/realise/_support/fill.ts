// A build that writes without end, on whatever disk `fill.ts DIRECTORY THEN` is on. THEN: what it does when the disk is full: a
// statement. Prints how it ended and what is left.
import { readdirSync } from 'node:fs'
import { AbnError } from '../../../../format/errors.ts'
import { TestChannel, write } from './channel.ts'

const [, , directory, then = ''] = process.argv
const channel = new TestChannel(directory)
const small = channel.package({ name: 'small', programs: { write }, steps: [['./write', '@{out}/x', 'x']] })
const fill = `fn main(c, v) { var fd = open(v[1], 0x41, 0x1a4); while (write(fd, out, 65536) > 0) {} ${then} }`
const big = channel.package({ name: 'big', inputs: [small], programs: { fill }, steps: [['./fill', '@{out}/x']] })
const code = await channel.realise([big]).then(
  () => 'none',
  (error: unknown) => (error instanceof AbnError ? error.code : String(error)),
)
const left = {
  temporary: readdirSync(channel.store.layout.temporary),
  store: readdirSync(channel.store.layout.store).length,
}
process.stdout.write(JSON.stringify({ code, ...left, small: channel.has(small), big: channel.has(big) }))
