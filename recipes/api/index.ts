/**
 * What recipes import as 'abnpkg'. A recipe module imports this and other recipes, nothing else; it is evaluated without clock,
 * randomness, files or network. docs/recipes-api.md teaches it.
 */
export { type ConfigureDefault, type GnuBuildOptions, gnuBuild } from './gnu-build.ts'
export { type MakeBuildOptions, makeBuild } from './make-build.ts'
export { type Manifest, type ManifestOptions, type ManifestPackage, manifest } from './manifest.ts'
export type { InstallPhase, Phase, PhaseOption } from './phases.ts'
export type { Build, BuildContext, Plan, Step } from './plan.ts'
export {
  type Input,
  type OutputReference,
  out,
  output,
  type Provides,
  type Recipe,
  type RecipeOptions,
  recipe,
} from './recipe.ts'
export { quote } from './shell.ts'
export {
  type Compression,
  type FileOptions,
  file,
  type GitOptions,
  git,
  type LocalOptions,
  local,
  type Patch,
  type Source,
  type TarballOptions,
  tarball,
  type ZipOptions,
  zip,
} from './sources.ts'
export { parallel, steps } from './steps.ts'
