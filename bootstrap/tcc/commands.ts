/**
 * The command lines of the ladder's last stages: cc compiled by abl, tcc compiled by cc, tcc compiled by tcc.
 * Paths without a leading slash are relative to bootstrap/.
 */

/** The modules of cc, in the order in which abl must read them. */
export const ccModules: readonly string[] =
  'lib lex keyword macro directive types node emit expr operand gen decl init stmt'
    .split(' ')
    .map((name) => `cc/${name}.abl`)

/** What tcc's first two lives are made of, besides tcc's own sources. */
export const tccInputs: readonly string[] = [
  'tcc/unit.c',
  ...'libc float stdio string system'.split(' ').map((name) => `libc/${name}.c`),
  ...'assert config errno fcntl inttypes math semaphore setjmp stdarg stddef stdint stdio stdlib string time unistd sys/time'
    .split(' ')
    .map((name) => `libc/include/${name}.h`),
]

/** `tccSource`: the directory with tcc's patched sources. */
export type TccPaths = { readonly compiler: string; readonly tccSource: string; readonly output: string }

/** cc compiles tcc together with our libc. */
export function tccByCc({ compiler, tccSource, output }: TccPaths): string[] {
  return [compiler, '-Ilibc/include', `-I${tccSource}`, output, 'tcc/unit.c']
}

/** tcc compiles tcc together with our libc. `compiler` may be any tcc of this version. */
export function tccByTcc({ compiler, tccSource, output }: TccPaths): string[] {
  const includes = ['-nostdinc', '-Ilibc/include', `-I${tccSource}/include`, `-I${tccSource}`]
  return [compiler, ...includes, '-nostdlib', '-static', '-o', output, 'tcc/unit.c']
}

/** tcc compiles tcc with musl, in tcc's directory, which needs an empty config.h. */
export function tccWithMusl({ compiler, output, musl }: { compiler: string; output: string; musl: string }): string[] {
  const paths = 'CONFIG_TCCDIR CONFIG_TCC_SYSINCLUDEPATHS CONFIG_TCC_LIBPATHS CONFIG_TCC_CRTPREFIX CONFIG_TCC_ELFINTERP'
  return [
    compiler,
    ...['-nostdinc', `-I${musl}/include`, '-nostdlib', '-static'],
    ...['-DONE_SOURCE=1', '-DTCC_TARGET_X86_64=1', '-DTCC_MUSL=1', '-DCONFIG_TCC_STATIC=1', '-DTCC_VERSION="0.9.27"'],
    ...paths.split(' ').map((name) => `-D${name}="/none"`),
    ...['-o', output, `${musl}/lib/crt1.o`, 'tcc.c', `${musl}/lib/libc.a`],
  ]
}
