// The question before a build that takes long: only where there is somebody to answer.
import { AbnError } from '../../format/errors.ts'
import type { Surroundings } from '../commands.ts'
import { timeText } from '../output.ts'

/** Throws ABN_BUILD_DECLINED unless the answer is yes, or the signal's reason. Without a terminal nothing is asked. */
export async function askBeforeBuilding(seconds: number, { output, signal }: Surroundings): Promise<void> {
  if (!process.stdin.isTTY || !output.isLive || output.isJson) return
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin })
  try {
    output.note(`Building takes about ${timeText(seconds)}. Go on? [y/N]`)
    // The end of the input is no answer.
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
    const answer = await Promise.race([lines.question('', { signal }), ended])
    if (/^y(es)?$/i.test(answer.trim())) return
  } finally {
    lines.close()
  }
  throw new AbnError('ABN_BUILD_DECLINED', 'not built', { hint: '--yes goes on without asking' })
}
