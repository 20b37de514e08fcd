// The settings of a person and of a machine: config.json in the configuration directory. What a file says is put into the environment
// under the variable of the same setting, unless that is set: so everything that honours the variable honours the file, and
// an option on the command line goes before both. On the way of every command, hence this small; documentation is in settings.ts.

// As an import it would load far more (node:fs/promises).
const { readFileSync } = process.getBuiltinModule('node:fs')

type Kind = 'boolean' | 'choice' | 'directory' | 'mirror' | 'number' | 'time'

/** `option`: the option of commands that means the same. */
export type Setting = {
  readonly kind: Kind
  readonly variable: string
  readonly option?: string
  readonly choices?: readonly string[]
}

export const settings = {
  color: { kind: 'choice', variable: 'ABNPKG_COLOR', choices: ['auto', 'always', 'never'] },
  cores: { kind: 'number', variable: 'ABNPKG_CORES', option: 'cores' },
  debianMirror: { kind: 'mirror', variable: 'ABNPKG_DEBIAN_MIRROR' },
  jobs: { kind: 'number', variable: 'ABNPKG_JOBS', option: 'jobs' },
  keepFailed: { kind: 'boolean', variable: 'ABNPKG_KEEP_FAILED', option: 'keep-failed' },
  maxBuildTime: { kind: 'time', variable: 'ABNPKG_MAX_BUILD_TIME', option: 'max-build-time' },
  maxSilent: { kind: 'time', variable: 'ABNPKG_MAX_SILENT', option: 'max-silent' },
  offline: { kind: 'boolean', variable: 'ABNPKG_OFFLINE', option: 'offline' },
  progress: { kind: 'choice', variable: 'ABNPKG_PROGRESS', choices: ['auto', 'never'] },
  root: { kind: 'directory', variable: 'ABNPKG_ROOT', option: 'root' },
  sourceCache: { kind: 'directory', variable: 'ABNPKG_SOURCE_CACHE' },
  timeout: { kind: 'time', variable: 'ABNPKG_TIMEOUT', option: 'timeout' },
} as const satisfies Readonly<Record<string, Setting>>

export type SettingName = keyof typeof settings
export type SettingValue = string | number | boolean

/** What the files say, by setting; and what is wrong with one of them, in words. */
export type Applied = {
  readonly from: ReadonlyMap<SettingName, { readonly file: string; readonly value: SettingValue }>
  readonly problem: string | undefined
}

/** Puts the files' settings into `env`. The person's file goes before the machine's. */
export function applySettings(env: NodeJS.ProcessEnv): Applied {
  const from = new Map<SettingName, { file: string; value: SettingValue }>()
  for (const file of settingsFiles(env)) {
    const text = readOrNothing(file)
    if (text === undefined) continue
    const read = typeof text === 'string' ? valuesIn(text) : text.problem
    if (typeof read === 'string') return { from, problem: `${file}: ${read}` }
    for (const [name, value] of read) if (!from.has(name)) from.set(name, { file, value })
  }
  for (const [name, { value }] of from) {
    const { variable } = settings[name]
    if (!env[variable]) env[variable] = String(value)
  }
  return { from, problem: undefined }
}

/** The person's, if there is a home directory, and the machine's. Where they are: builder/substitute/configuration.ts. */
export function settingsFiles({ XDG_CONFIG_HOME: given, HOME: home }: NodeJS.ProcessEnv): readonly string[] {
  const base = given?.startsWith('/') ? given : home?.startsWith('/') ? `${home}/.config` : undefined
  return [...(base === undefined ? [] : [`${base}/abnpkg/config.json`]), '/etc/abnpkg/config.json']
}

/** Or what is wrong. */
export function valuesIn(text: string): ReadonlyMap<SettingName, SettingValue> | string {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return 'not JSON'
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return 'expected an object'
  const values = new Map<SettingName, SettingValue>()
  for (const [name, value] of Object.entries(document)) {
    if (name === '$schema') continue
    if (name === 'format') {
      if (value !== 1) return `format: expected 1, got ${JSON.stringify(value)}; a newer abnpkg may have written it`
    } else if (!isSettingName(name)) return `there is no setting called ${JSON.stringify(name)}`
    else {
      const problem = problemOf(name, value)
      if (problem !== undefined) return `${name}: ${problem}`
      values.set(name, value)
    }
  }
  if (!('format' in document)) return 'format: expected 1, got nothing'
  return values
}

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name)
}

/** In words; undefined when the value may stand in a file. */
export function problemOf(name: SettingName, value: unknown): string | undefined {
  const setting: Setting = settings[name]
  const got = `got ${JSON.stringify(value)?.slice(0, 100)}`
  switch (setting.kind) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected true or false, ${got}`
    case 'choice':
      return setting.choices?.some((one) => one === value)
        ? undefined
        : `expected one of ${setting.choices?.join(', ')}, ${got}`
    case 'directory':
      return typeof value === 'string' && /^\/[^\0\n]*$/.test(value) ? undefined : `expected an absolute path, ${got}`
    case 'mirror':
      return typeof value === 'string' && /^https?:\/\/[^\s/?#]+(\/[^\s?#]*)?$/.test(value)
        ? undefined
        : `expected an http or https address, ${got}`
    case 'number':
      return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 99_999
        ? undefined
        : `expected a whole number of at least 1, ${got}`
    case 'time':
      return typeof value === 'string' && /^[0-9]{1,6}[smhdw]?$/.test(value)
        ? undefined
        : `expected a time such as "90s", "20m" or "2h", ${got}`
    default:
      return setting.kind satisfies never
  }
}

/** The text; nothing where there is no file; else why it cannot be read. */
function readOrNothing(file: string): string | { readonly problem: string } | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : { problem: `it cannot be read (${String(code)})` }
  }
}
