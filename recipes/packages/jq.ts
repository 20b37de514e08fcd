import { makeBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

const sources =
  'main builtin bytecode compile execute jv jv_alloc jv_aux jv_dtoa jv_dtoa_tsd jv_file jv_parse jv_print jv_unicode linker ' +
  'locfile util lexer parser jq_test decNumber/decContext decNumber/decNumber'

const functions =
  'acos acosh asin asinh atan atan2 atanh atexit cbrt ceil copysign cos cosh drem erf exp exp10 exp2 expm1 fabs fdim floor fma ' +
  'fmax fmin fmod frexp gettimeofday gmtime gmtime_r hypot isatty j0 j1 jn ldexp lgamma lgamma_r localtime localtime_r log ' +
  'log10 log1p log2 logb memmem mktime modf nearbyint nextafter nexttoward pow pow10 pthread_key_create pthread_once ' +
  'remainder rint round scalb scalbln setlocale significand sin sinh sqrt strftime strptime tan tanh tgamma timegm ' +
  'tm_tm_gmt_off trunc y0 y1 yn'

const flags = [
  ...['-D_GNU_SOURCE', '-DIEEE_8087=1', '-DUSE_DECNUM=1', '-DDECLITEND=1', '-DDECNUMDIGITS=1'],
  ...functions.split(' ').map((name) => `-DHAVE_${name.toUpperCase()}=1`),
]

export const jq = recipe({
  name: 'jq',
  version: '1.7.1',
  summary: 'filter for JSON',
  homepage: 'https://jqlang.github.io/jq/',
  license: 'MIT',

  // the git tag, without a configure script; oniguruma (regular expressions) is not in it
  source: tarball({
    urls: ['mirror://debian/pool/main/j/jq/jq_{version}.orig.tar.gz'],
    sha256: 'fc75b1824aba7a954ef0886371d951c3bf4b6e0a921d1aefc553f309702d6ed1',
  }),

  tools: [toolchain],

  build: makeBuild({
    configure: {
      replace: `
        echo '#define JQ_VERSION "1.7.1"' > src/version.h
        echo '#define JQ_CONFIG ""' > src/config_opts.inc
        sed -e 's/\\\\/\\\\\\\\/g' -e 's/"/\\\\"/g' -e 's/^/"/' -e 's/$/\\\\n"/' src/builtin.jq > src/builtin.inc
      `,
    },
    build: {
      replace: `
        for source in ${sources}; do
          tcc ${flags.join(' ')} '-DJV_PRINTF_LIKE(a,b)=' '-DJV_VPRINTF_LIKE(a)=' -I. -Isrc -Isrc/decNumber \\
            -o src/$source.o -c src/$source.c
        done
        tcc -o jq src/*.o src/decNumber/*.o
      `,
    },
    check: { replace: './jq -L tests/modules --run-tests tests/jq.test' },
    install: { files: { 'bin/jq': 'jq', 'share/man/man1/jq.1': 'jq.1.prebuilt' } },
  }),
  smoke: [['bin/jq', '-n', '[1, 2] | add']],
})
