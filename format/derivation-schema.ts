/**
 * What makes a JSON value a derivation: every rule of docs/formats/derivation.md, checked in the order of the page.
 */
import type { JsonValue } from './canonical-json.ts'
import type {
  Compression,
  Derivation,
  DerivationInput,
  DerivationSource,
  DerivationStep,
  Unpack,
} from './derivation.ts'
import { AbnError } from './errors.ts'
import {
  below,
  booleanOf,
  countOf,
  fieldsOf,
  isObject,
  listOf,
  type Place,
  requireThat,
  sortedListOf,
  textOf,
  textsOf,
} from './fields.ts'
import { parseRecipeHash, parseSha256 } from './hash.ts'
import { parseStorePath, requireName, requireOutput, requireVersion, storeHashFor, storeHashOf } from './store-path.ts'

/** The variables that the sandbox sets itself; output names are reserved too. */
export const reservedVariables = ['ABN_CORES', 'HOME', 'LC_ALL', 'SOURCE_DATE_EPOCH', 'TMPDIR', 'TZ'] as const

const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'bzip2', 'xz', 'zstd']
const FIELDS = [
  'name',
  'version',
  'system',
  'outputs',
  'inputs',
  'sources',
  'directories',
  'files',
  'links',
  'env',
  'steps',
] as const

/** Returns its argument, checked. Throws ABN_DERIVATION_INVALID, or the error of the name or hash that is wrong. */
export function checkDerivation(value: JsonValue): Derivation {
  const place: Place = { path: '', fail: (reason) => new AbnError('ABN_DERIVATION_INVALID', `derivation: ${reason}`) }
  const fields = fieldsOf(value, place, FIELDS)
  const name = textOf(fields.name, below(place, 'name'))
  requireName(name)
  const version = textOf(fields.version, below(place, 'version'))
  requireVersion(version)
  requireThat(fields.system === 'x86_64-linux', below(place, 'system'), 'expected "x86_64-linux"')
  const outputs = sortedListOf(fields.outputs, below(place, 'outputs'), outputOf, (output) => output)
  requireThat(outputs.includes('out'), below(place, 'outputs'), 'expected "out" among them')
  const path = pathChecker(outputs)
  const text = placeholderChecker(outputs)
  const env = environmentChecker(outputs)
  return {
    name,
    version,
    system: fields.system,
    outputs,
    inputs: sortedListOf(fields.inputs, below(place, 'inputs'), inputOf, (input) => input.path),
    sources: sortedListOf(fields.sources, below(place, 'sources'), sourceOf, (source) => source.to),
    directories: sortedListOf(fields.directories, below(place, 'directories'), path, (directory) => directory),
    files: sortedListOf(
      fields.files,
      below(place, 'files'),
      (file, at) => {
        const { path: filePath, text: content, executable } = fieldsOf(file, at, ['path', 'text', 'executable'])
        return {
          path: path(filePath, below(at, 'path')),
          text: text(content, below(at, 'text')),
          executable: booleanOf(executable, below(at, 'executable')),
        }
      },
      (file) => file.path,
    ),
    links: sortedListOf(
      fields.links,
      below(place, 'links'),
      (link, at) => {
        const { path: linkPath, target } = fieldsOf(link, at, ['path', 'target'])
        return { path: linkPathOf(linkPath, below(at, 'path')), target: filled(text, target, below(at, 'target')) }
      },
      (link) => link.path,
    ),
    env: env(fields.env, below(place, 'env')),
    steps: listOf(fields.steps, below(place, 'steps'), (step, at): DerivationStep => {
      const { args, cwd, env: variables, parallel } = fieldsOf(step, at, ['args', 'cwd', 'env', 'parallel'])
      const argumentList = listOf(args, below(at, 'args'), text)
      requireThat((argumentList[0] ?? '') !== '', below(at, 'args'), 'expected a program to run')
      const directory = filled(text, cwd, below(at, 'cwd'))
      requireThat(/^(\/|@\{)/.test(directory), below(at, 'cwd'), 'expected an absolute path')
      return {
        args: argumentList,
        cwd: directory,
        env: env(variables, below(at, 'env')),
        parallel: booleanOf(parallel, below(at, 'parallel')),
      }
    }),
  }
}

function outputOf(value: JsonValue, place: Place): string {
  const output = textOf(value, place)
  requireOutput(output)
  return output
}

function inputOf(value: JsonValue, place: Place): DerivationInput {
  const fields = fieldsOf(value, place, ['recipe', 'output', 'path'])
  const recipe = parseRecipeHash(textOf(fields.recipe, below(place, 'recipe')))
  const output = outputOf(fields.output, below(place, 'output'))
  const path = parseStorePath(textOf(fields.path, below(place, 'path')))
  const agrees = storeHashOf(path) === storeHashFor(recipe, output) && (output === 'out' || path.endsWith(`-${output}`))
  requireThat(agrees, place, `${path} is not the path of output ${output} of recipe ${recipe}`)
  return { recipe, output, path }
}

function sourceOf(value: JsonValue, place: Place): DerivationSource {
  const fields = fieldsOf(value, place, ['to', 'sha256', 'unpack', 'patches'])
  const to = textOf(fields.to, below(place, 'to'))
  const unpack = unpackOf(fields.unpack, below(place, 'unpack'))
  const isFile = unpack.kind === 'file'
  requireThat((to === '.' && !isFile) || isRelative(to), below(place, 'to'), `not a path below /build: ${to}`)
  const hash = (item: JsonValue, at: Place) => parseSha256(textOf(item, at))
  const patches = listOf(fields.patches, below(place, 'patches'), hash)
  requireThat(!isFile || patches.length === 0, below(place, 'patches'), 'a single file cannot be patched')
  return { to, sha256: hash(fields.sha256, below(place, 'sha256')), unpack, patches }
}

function unpackOf(value: JsonValue, place: Place): Unpack {
  const kind = isObject(value) ? value.kind : undefined
  const strip = (number: JsonValue) => countOf(number, below(place, 'strip'), 16)
  switch (kind) {
    case 'file': {
      const { executable } = fieldsOf(value, place, ['kind', 'executable'])
      return { kind, executable: booleanOf(executable, below(place, 'executable')) }
    }
    case 'tar': {
      const fields = fieldsOf(value, place, ['kind', 'compression', 'strip'])
      const compression = COMPRESSIONS.find((name) => name === fields.compression)
      requireThat(compression !== undefined, below(place, 'compression'), `expected one of ${COMPRESSIONS.join(', ')}`)
      return { kind, compression, strip: strip(fields.strip) }
    }
    case 'zip':
      return { kind, strip: strip(fieldsOf(value, place, ['kind', 'strip']).strip) }
    case 'git':
      fieldsOf(value, place, ['kind'])
      return { kind }
    default:
      requireThat(false, below(place, 'kind'), 'expected one of file, tar, zip, git')
      throw new TypeError('unreachable')
  }
}

/** In characters; names of outputs have at most 16. */
const LONGEST_PLACEHOLDER = 20

type TextReader = (value: JsonValue, place: Place) => string

/** Texts in which every `@{` begins the placeholder of an output. */
function placeholderChecker(outputs: readonly string[]): TextReader {
  return (value, place) => {
    const text = textOf(value, place)
    for (let at = text.indexOf('@{'); at >= 0; at = text.indexOf('@{', at + 2)) {
      const end = text.indexOf('}', at)
      const isKnown = end >= 0 && end <= at + LONGEST_PLACEHOLDER && outputs.includes(text.slice(at + 2, end))
      const shown = () => JSON.stringify(text.slice(at, at + LONGEST_PLACEHOLDER).replace(/\}.*$/s, '}'))
      if (!isKnown) {
        requireThat(false, place, `unknown placeholder ${shown()}, expected @{${outputs.join('} or @{')}}`)
      }
    }
    return text
  }
}

/** A path relative to /build, or `@{output}` or a path below it. */
function pathChecker(outputs: readonly string[]): TextReader {
  const text = placeholderChecker(outputs)
  return (value, place) => {
    const path = text(value, place)
    const inOutput = /^@\{[a-z0-9]+\}(?:\/(.+))?$/s.exec(path)
    const rest = inOutput ? (inOutput[1] ?? 'x') : path
    requireThat(isRelative(rest) && !rest.includes('@{'), place, `neither below /build nor in an output: ${path}`)
    return path
  }
}

function environmentChecker(
  outputs: readonly string[],
): (value: JsonValue, place: Place) => Readonly<Record<string, string>> {
  const text = placeholderChecker(outputs)
  return (value, place) => {
    const variables = textsOf(value, place)
    for (const [name, content] of Object.entries(variables)) {
      requireThat(/^[A-Za-z_][A-Za-z0-9_]*$/.test(name), place, `${JSON.stringify(name)} is no name of a variable`)
      const reserved = outputs.includes(name) || reservedVariables.some((other) => other === name)
      requireThat(!reserved, place, `${name} is set by the sandbox itself`)
      text(content, below(place, name))
    }
    return variables
  }
}

/** A place in the sandbox's root that is neither the build's, nor the store's, nor the kernel's. */
function linkPathOf(value: JsonValue, place: Place): string {
  const path = textOf(value, place)
  const relative = path.slice(1)
  const first = relative.split('/')[0] ?? ''
  const allowed =
    path.startsWith('/') && isRelative(relative) && !['abn', 'build', 'dev', 'proc', 'tmp'].includes(first)
  requireThat(allowed, place, `not a place for a link: ${path}`)
  return path
}

function filled(text: TextReader, value: JsonValue, place: Place): string {
  const content = text(value, place)
  requireThat(content !== '', place, 'is empty')
  return content
}

function isRelative(path: string): boolean {
  return path.length <= 1024 && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}
