// What all work on a project begins with.
import type { Store } from '../../store/store.ts'
import type { Arguments } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import type { OnWeaker } from './check.ts'
import { lockName, type Project } from './find.ts'

export type ProjectContext = {
  readonly args: Arguments
  readonly surroundings: Surroundings
  readonly store: Store
  readonly project: Project
}

export function lockFileOf({ project }: Pick<ProjectContext, 'project'>): string {
  return `${project.directory}/${lockName}`
}

/** With --allow-weaker, what is weaker is told, once, and taken. */
export function onWeakerOf({ args, surroundings }: Pick<ProjectContext, 'args' | 'surroundings'>): OnWeaker {
  if (args.options['allow-weaker'] !== true) return undefined
  const told = toldTo.get(surroundings) ?? new Set()
  toldTo.set(surroundings, told)
  return (text) => {
    if (!told.has(text)) surroundings.output.note(`warning: ${text}`)
    told.add(text)
  }
}

const toldTo = new WeakMap<Surroundings, Set<string>>()
