/* tcc's first life as one translation unit: our libc, tcc itself, and, where tcc compiles it, the functions that its
   code calls (conversions, variable arguments). -I must name tcc's source directory, patched with tcc.patch. */

#define TCC_TARGET_X86_64 1
#define TCC_MUSL 1
#define CONFIG_TCC_STATIC 1
#define TCC_VERSION "0.9.27"
/* It is always told where things are; nothing is to be found by chance. */
#define CONFIG_TCCDIR "/none"
#define CONFIG_TCC_SYSINCLUDEPATHS "/none"
#define CONFIG_TCC_LIBPATHS "/none"
#define CONFIG_TCC_CRTPREFIX "/none"
#define CONFIG_TCC_ELFINTERP "/none"
/* Without __x86_64__ tcc leaves out -run and its run-time checks: they need much of a libc, and nobody needs them
   before musl. It would also leave long double constants uncalculated, as a cross compiler must, so it is told that it has the
   right arithmetic: without that, tcc's first life would not make the same code as its later ones. */
#undef __x86_64__
#define TCC_IS_NATIVE_387 1

#include "../libc/libc.c"
#include "tcc.c"

#ifdef __TINYC__
#define __x86_64__ 1
#include "lib/libtcc1.c"
#include "lib/va_list.c"
#endif
