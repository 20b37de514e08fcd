/**
 * What in an archive would stop our tools, and how it is got round: there is no makeinfo, no gettext, no Perl, and the compiler is tcc,
 * which warns of other things than GCC and knows fewer attributes. Only files are read; each way round is told, with its reason.
 */

export type Obstacles = {
  /** Arguments for every make. */
  readonly make: readonly string[]
  /** Shell lines for the time between configure and make. */
  readonly before: readonly string[]
  /** Names of recipes that may be there, for programs that its build runs. */
  readonly tools: readonly string[]
  readonly guesses: readonly string[]
}

export type Archive = {
  /** Paths below the top directory. */
  readonly files: ReadonlySet<string>
  /** '' for what is not there. */
  readonly read: (path: string) => string
  /** Of the package. */
  readonly name: string
}

export function obstaclesIn(archive: Archive): Obstacles {
  const all = [manual(archive), htmlManual(archive), werror(archive), headers(archive), aliases(archive), ed(archive)]
  return {
    make: all.flatMap(({ make = [] }) => make),
    before: all.flatMap(({ before = [] }) => before),
    tools: all.flatMap(({ tools = [] }) => tools),
    guesses: all.flatMap(({ guesses = [] }) => guesses),
  }
}

type Found = Partial<Obstacles>

/** Info files that are not in the archive, or would be made again because what they include is made by configure. */
function manual({ files, read }: Archive): Found {
  const listed = makefilesIn(files).flatMap((makefile) =>
    [...read(makefile).matchAll(/^\s*info_TEXINFOS\s*\+?=\s*((?:[^\\\n]|\\\n)*)/gm)].flatMap(([, names = '']) =>
      names
        .replace(/\\\n/g, ' ')
        .split(/\s+/)
        .filter((one) => /\.(?:texi|texinfo|txi)$/.test(one))
        .map((one) => placeOf(one, makefile)),
    ),
  )
  const lacking = listed.filter((texinfo) => {
    const isMadeAgain = [...read(texinfo).matchAll(/^@include\s+(\S+)/gm)].some(
      ([, name = '']) =>
        !files.has(joined(directoryOf(texinfo), name)) && files.has(`${joined(directoryOf(texinfo), name)}.in`),
    )
    return !files.has(texinfo) || !files.has(texinfo.replace(/\.\w+$/, '.info')) || isMadeAgain
  })
  if (lacking.length === 0) return {}
  return { make: ['INFO_DEPS='], guesses: [`no manual: ${lacking.join(', ')} would need makeinfo`] }
}

/** A rule of its own that makes a manual in HTML. */
function htmlManual({ files, read, name }: Archive): Found {
  const escaped = name.replace(/[.+]/g, '\\$&')
  const pages = makefilesIn(files).flatMap((makefile) => {
    const text = read(makefile)
    const page = joined(directoryOf(makefile), `${name}.html`)
    const isMade = new RegExp(`^(?:@PACKAGE@|${escaped})\\.html\\s*:(?!=)`, 'm').test(text) && /MAKEINFO/.test(text)
    return isMade && !files.has(page) ? [page] : []
  })
  if (pages.length === 0) return {}
  return {
    make: ['MAKEINFO=true'],
    before: [`touch ${pages.join(' ')}`],
    guesses: [`the manual in HTML is left empty: ${pages.join(', ')} would need makeinfo`],
  }
}

function werror({ files, read }: Archive): Found {
  const isIn = [...files].some(
    (path) =>
      /(?:^|\/)(?:GNUm|M|m)akefile(?:\.in)?$/.test(path) && !isAside(path) && /\s-Werror(?=\s|$)/m.test(read(path)),
  )
  if (!isIn) return {}
  const sed = "find . -name '[Mm]akefile' -exec sed -i 's/ -Werror$//; s/ -Werror / /g' {} +"
  return {
    before: [sed],
    guesses: ['warnings are no errors: our compiler has others than those its authors know (-Werror)'],
  }
}

/** Asked for in the sources, and looked for by no configure: GCC's users had them from elsewhere. */
function headers({ files, read }: Archive): Found {
  const config = [...files].filter((path) => /(?:^|\/)config\.h\.in$/.test(path)).sort((a, b) => a.length - b.length)[0]
  if (config === undefined) return {}
  const known = read(config)
  const sources = [...files].filter((path) => /\.[ch]$/.test(path) && !isAside(path) && !isCopied(path))
  const asked = new Set(
    sources.flatMap((path) =>
      [...read(path).matchAll(/^\s*#\s*(?:ifdef\s+|if\s+(?:defined\s*\(?\s*)?)(HAVE_\w+_H)\b/gm)].map(
        ([, one = '']) => one,
      ),
    ),
  )
  const missing = STANDARD.filter((one) => asked.has(one) && !known.includes(one))
  if (missing.length === 0) return {}
  const target = config.replace(/\.in$/, '')
  return {
    before: missing.map((one) => `echo '#define ${one} 1' >> ${target}`),
    guesses: [
      `its configure does not look for headers that its sources ask for: ${missing.join(', ')} said to be there`,
    ],
  }
}

/** Of C and POSIX: every C library has them. */
const STANDARD = ['ERRNO', 'FCNTL', 'LIMITS', 'LOCALE', 'STDDEF', 'STDLIB', 'STRING', 'UNISTD'].map(
  (one) => `HAVE_${one}_H`,
)

/** tcc compiles the attribute; but where a prototype came first, there is no such symbol. */
function aliases({ files, read }: Archive): Found {
  const [, macro] = /#define (HAVE_\w*ALIAS\w*) 1/.exec(read('configure')) ?? []
  const isUsed = [...files].some((path) => /\.[ch]$/.test(path) && /(?:\b|__)alias(?:__)?\s*\(\s*"/.test(read(path)))
  if (macro === undefined || !isUsed) return {}
  return {
    before: [`sed -i '/define ${macro} /d' config.h`],
    guesses: [`without __attribute__((alias)), which our compiler takes and does not heed (${macro})`],
  }
}

/** busybox's understands few of its commands. */
function ed({ files, read }: Archive): Found {
  const scripts = [...files].filter(
    (path) =>
      /(?:^|\/)(?:[\w-]+(?:\.sh)?|Makefile(?:\.in|\.am)?)$/.test(path) && !isAside(path) && path !== 'configure',
  )
  const using = scripts.filter((path) => /^\s*(?:\$\(ED\)|ed)\s+(?:-s\s+|-\s+)?\S+\s*<</m.test(read(path)))
  return using.length === 0 ? {} : { tools: ['ed'], guesses: [`its build runs ed: ${using.join(', ')}`] }
}

function makefilesIn(files: ReadonlySet<string>): readonly string[] {
  return [...files].filter((path) => /(?:^|\/)(?:Makefile|local)\.(?:am|mk)$/.test(path) && !isAside(path))
}

/** automake includes local.mk in the makefile at the top, whose paths are from there; %D% is its directory. */
function placeOf(name: string, makefile: string): string {
  const directory = directoryOf(makefile)
  return makefile.endsWith('.mk') ? name.replace(/^%(?:D|reldir)%(?=\/)/, directory) : joined(directory, name)
}

function isAside(path: string): boolean {
  return /(?:^|\/)(?:tests?|testsuite|examples?|contrib)\//.test(path)
}

/** Libraries that many packages carry with them, whose macros are their own. */
function isCopied(path: string): boolean {
  return /(?:^|\/)(?:intl|gnulib|gl|gnu|lib)\//.test(path)
}

function directoryOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
}

function joined(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`
}
