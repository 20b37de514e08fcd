// Packages made by hand: their programs are small ones in Abl, which come as local sources of a channel in a temporary directory.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EvaluatedPackage } from '../../../../builder/evaluate/package.ts'
import type { SourceHint } from '../../../../builder/fetch/hint.ts'
import type { RealiseEvent } from '../../../../builder/realise/events.ts'
import { outputPathsOf, type PackageIndex, planBuild } from '../../../../builder/realise/plan.ts'
import { type RealiseOptions, realise } from '../../../../builder/realise/realise.ts'
import { type Derivation, type DerivationStep, encodeDerivation, recipeHashOf } from '../../../../format/derivation.ts'
import type { RecipeHash, Sha256 } from '../../../../format/hash.ts'
import { sha256Of } from '../../../../format/hash.ts'
import { removeDirectory } from '../../../../store/remove-directory.ts'
import { openStore, type Store } from '../../../../store/store.ts'
import { probe } from '../../sandbox/_support/probes.ts'

export type Recipe = {
  readonly name: string
  readonly programs?: Readonly<Record<string, string>> // name below /build → Abl source
  readonly inputs?: readonly (EvaluatedPackage | readonly [EvaluatedPackage, string])[]
  readonly steps?: readonly (readonly string[] | Partial<DerivationStep>)[] // default: each program once
  readonly smoke?: readonly (readonly string[])[]
  readonly sources?: Readonly<Record<Sha256, SourceHint>>
} & Partial<Pick<Derivation, 'outputs' | 'directories' | 'files' | 'links' | 'env'>>

export class TestChannel implements Disposable, PackageIndex {
  readonly directory: string
  readonly root: string
  readonly sourceCache: string
  readonly packages = new Map<RecipeHash, EvaluatedPackage>()
  readonly store: Store

  /** In a directory of its own, which goes away with it, or in a given one. */
  constructor(directory = mkdtempSync(join(tmpdir(), 'abn-realise-'))) {
    this.directory = directory
    this.root = join(directory, 'root')
    this.sourceCache = join(directory, 'sources')
    this.store = openStore({ root: this.root, durable: false })
    mkdirSync(join(directory, 'recipes'), { recursive: true })
  }

  byHash(hash: RecipeHash): EvaluatedPackage | undefined {
    return this.packages.get(hash)
  }

  package(recipe: Recipe): EvaluatedPackage {
    const programs = Object.entries(recipe.programs ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
    const hints: Record<Sha256, SourceHint> = { ...recipe.sources }
    const sources = programs.map(([to, source]) => {
      const bytes = probe(source)
      const sha256 = sha256Of(bytes)
      writeFileSync(join(this.directory, 'recipes', sha256), bytes)
      hints[sha256] = { kind: 'local', path: `recipes/${sha256}` }
      return { to, sha256, unpack: { kind: 'file', executable: true }, patches: [] } as const
    })
    const steps = recipe.steps ?? programs.map(([name]) => [`/build/${name}`])
    const derivation: Derivation = {
      name: recipe.name,
      version: '1',
      system: 'x86_64-linux',
      outputs: recipe.outputs ?? ['out'],
      inputs: (recipe.inputs ?? []).map(inputOf).sort((a, b) => (a.path < b.path ? -1 : 1)),
      sources,
      directories: recipe.directories ?? [],
      files: recipe.files ?? [],
      links: recipe.links ?? [],
      env: recipe.env ?? {},
      steps: steps.map((step) => ({
        cwd: '/build',
        env: {},
        parallel: false,
        args: [],
        ...(isArgs(step) ? { args: step } : step),
      })),
    }
    encodeDerivation(derivation) // which checks it
    const made: EvaluatedPackage = {
      derivation,
      recipeHash: recipeHashOf(derivation),
      metadata: {
        exportName: recipe.name,
        module: 'recipes/packages/test.ts',
        channel: 'test',
        summary: '',
        homepage: '',
        license: '',
        smoke: recipe.smoke ?? [],
        sources: hints,
        hidden: false,
      },
    }
    this.packages.set(made.recipeHash, made)
    return made
  }

  options(more: Partial<RealiseOptions> = {}): RealiseOptions {
    const channels = [{ name: 'test', directory: this.directory }]
    return { store: this.store, cores: 2, sources: { cacheDirectory: this.sourceCache, channels }, ...more }
  }

  plan(...targets: readonly EvaluatedPackage[]) {
    return planBuild(targets, { store: this.store, packages: this, sourceCache: this.sourceCache })
  }

  /** Plans and realises; returns the events. */
  async realise(
    targets: readonly EvaluatedPackage[],
    more: Partial<RealiseOptions> = {},
  ): Promise<readonly RealiseEvent[]> {
    const events: RealiseEvent[] = []
    const onEvent = (event: RealiseEvent) => {
      events.push(event)
      more.onEvent?.(event)
    }
    await realise(this.plan(...targets), this.options({ ...more, onEvent }))
    return events
  }

  /** Where an output is on disk. */
  physical(one: EvaluatedPackage, output = 'out'): string {
    const path = outputPathsOf(one).get(output)
    if (path === undefined) throw new TypeError(`no output ${output}`)
    return this.store.physicalPath(path)
  }

  has(one: EvaluatedPackage): boolean {
    return [...outputPathsOf(one).values()].every((path) => this.store.has(path))
  }

  [Symbol.dispose](): void {
    removeDirectory(this.directory)
  }
}

function inputOf(input: EvaluatedPackage | readonly [EvaluatedPackage, string]) {
  const [one, output] = isPair(input) ? input : ([input, 'out'] as const)
  const path = outputPathsOf(one).get(output)
  if (path === undefined) throw new TypeError(`no output ${output}`)
  return { recipe: one.recipeHash, output, path }
}

function isPair(
  input: EvaluatedPackage | readonly [EvaluatedPackage, string],
): input is readonly [EvaluatedPackage, string] {
  return Array.isArray(input)
}

function isArgs(step: readonly string[] | Partial<DerivationStep>): step is readonly string[] {
  return Array.isArray(step)
}

/** Writes its second argument into the file that the first one names: `write FILE TEXT`. */
export const write = `
  fn main(argc, argv) {
    var fd = open(argv[1], 0x241, 0x1b6);
    if (fd < 0) return 1;
    write(fd, argv[2], length(argv[2]));
    return 0;
  }`

/** Copies a program: `copy FROM TO`. */
export const copier = `
  fn main(argc, argv) {
    var from = open(argv[1], 0, 0);
    var to = open(argv[2], 0x241, 0x1ed);
    if (from < 0 || to < 0) return 1;
    while (1) { var n = read(from, out, 65536); if (n <= 0) break; write(to, out, n); }
    return 0;
  }`
