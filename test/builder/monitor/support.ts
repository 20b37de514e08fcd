/** A monitor with a state of its own, looking once at logs on loopback. */
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Finding, What } from '../../../builder/monitor/finding.ts'
import { type Monitored, type MonitorOptions, runMonitor } from '../../../builder/monitor/monitor.ts'
import { parseSilentKey, type Watch } from '../../../builder/monitor/watch.ts'
import { witnessKeyOf } from '../../../trust/log/cosignature.ts'
import { newSecretKey, type SecretKey } from '../../../trust/secret-key.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { alice, bob, now } from '../../trust/support.ts'

export const logKey = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(1))
export const witness1 = newSecretKey('witness.example/w1', new Uint8Array(32).fill(21))
export const witness2 = newSecretKey('witness.example/w2', new Uint8Array(32).fill(22))

export type Watching = {
  readonly known?: readonly SecretKey[]
  readonly silent?: readonly string[]
  readonly witnesses?: readonly SecretKey[]
  readonly logs?: readonly SecretKey[]
}

export function watchOf({ known = [alice, bob], silent = [], witnesses = [], logs = [logKey] }: Watching = {}): Watch {
  return {
    logs: new Map(logs.map(({ publicKey }) => [publicKey.name, publicKey])),
    witnesses: witnesses.map(({ publicKey }) => witnessKeyOf(publicKey)),
    known: new Map(known.map(({ publicKey: key }) => [key.id, { name: key.name.split('.')[0] ?? '', key }])),
    silent: new Map(silent.map(parseSilentKey).map((one) => [one.id, one])),
  }
}

export type Looked = Monitored & {
  readonly findings: readonly Finding[]
  readonly what: readonly What[]
  readonly problems: readonly string[]
}

export type TestMonitor = {
  readonly directory: string
  readonly alarms: string
  /** Looks once, as a process of its own would, at `time`. */
  look(urls: readonly string[], changes?: Partial<MonitorOptions> & Watching): Promise<Looked>
}

export function monitorFor(t: ExecutionContext): TestMonitor {
  const directory = join(temporaryDirectory(t), 'state')
  return {
    directory,
    alarms: join(directory, 'alarms'),
    async look(urls, changes = {}) {
      const findings: Finding[] = []
      const problems: string[] = []
      const done = await runMonitor({
        urls,
        watch: watchOf(changes),
        directory,
        once: true,
        everySeconds: 1,
        staleSeconds: 86_400,
        idleSeconds: 7 * 86_400,
        signal: new AbortController().signal,
        nowSeconds: () => now,
        onFinding: (finding) => findings.push(finding),
        onProblem: (text) => problems.push(text),
        pace: { answerSeconds: 120, bytes: 1, seconds: 120 },
        ...changes,
      })
      return { ...done, findings, what: findings.map(({ what }) => what), problems }
    },
  }
}

export function kindsOf({ what }: Looked): readonly string[] {
  return what.map(({ kind }) => kind)
}
