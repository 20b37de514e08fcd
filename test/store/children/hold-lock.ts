/** Takes the lock again and again, and looks whether another living process believes that it holds it. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { takeLock } from '../../../store/lock.ts'

const directory = process.argv[2] ?? ''
const marker = join(directory, 'holder')

for (;;) {
  using _ = await takeLock(join(directory, 'lock'), 'exclusive')
  const holder = readOr(marker)
  // A process that is being killed drops its locks a moment before it counts as dead, hence the second look.
  if (holder !== '' && isAlive(holder) && (await delay(500, true)) && isAlive(holder))
    appendFileSync(join(directory, 'log'), `${process.pid} beside ${holder}\n`)
  writeFileSync(marker, String(process.pid))
  appendFileSync(join(directory, 'log'), 'held\n')
  await delay(Math.random() * 5)
  writeFileSync(marker, '')
}

function isAlive(pid: string): boolean {
  const status = readOr(`/proc/${pid}/stat`)
  return status !== '' && !/\) [ZX] /.test(status)
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
