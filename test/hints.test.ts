// Messages that tell a person to run a command of ours: that command must exist.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { commands } from '../cli/commands.ts'

const house = join(import.meta.dirname, '..')

test('no text names a command that does not exist', (t) => {
  const found: string[] = []
  for (const room of ['format', 'store', 'trust', 'builder', 'cli', 'cache-server']) {
    for (const name of readdirSync(join(house, room), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue
      const text = readFileSync(join(house, room, name), 'utf8')
      for (const [, command = ''] of text.matchAll(/(?:`|run:? )abnpkg ([a-z]+)/g)) {
        if (!Object.hasOwn(commands, command)) found.push(`${room}/${name}: abnpkg ${command}`)
      }
    }
  }
  t.deepEqual(found, [])
})
