/**
 * Signals that reach this process while a program runs in its place are for that program. To be called before the program is
 * started: it may ask for a signal before this process has come back from starting it.
 */
import { closeSync, openSync } from 'node:fs'

export type SignalPassing = Disposable & {
  /** Where they go from now on, and those that came before. */
  to(send: (signal: NodeJS.Signals) => void): void
}

/** Signals of the terminal go to the program by themselves; passed on, they would come twice. */
export function passSignals(): SignalPassing {
  const early: NodeJS.Signals[] = []
  let pass = (signal: NodeJS.Signals): void => void early.push(signal)
  const listeners = [
    ...(['SIGINT', 'SIGQUIT'] as const).map((signal) => ({
      signal,
      listener: () => void (hasTerminal() || pass(signal)),
    })),
    ...(['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const).map((signal) => ({
      signal,
      listener: () => pass(signal),
    })),
  ]
  for (const { signal, listener } of listeners) process.on(signal, listener)
  return {
    to(send) {
      pass = send
      for (const signal of early.splice(0)) send(signal)
    },
    [Symbol.dispose]() {
      for (const { signal, listener } of listeners) process.off(signal, listener)
    },
  }
}

/** Whether this process has a controlling terminal. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
