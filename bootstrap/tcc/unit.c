/* tcc's first life as one translation unit: our libc, tcc itself, and, where tcc compiles it, the functions that its code
   calls (conversions, variable arguments). -I must name tcc's source directory, patched with tcc.patch. */

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
/* Without __x86_64__ tcc leaves out -run and its run-time checks, which need much of a libc and which nobody needs before
   musl. That would also make it calculate no long double constants, as if it were a cross compiler, so it is told that
   it has the right arithmetic. */
#undef __x86_64__
#define TCC_IS_NATIVE_387 1

#include "../libc/libc.c"
#include "tcc.c"

#ifdef __TINYC__
#define __x86_64__ 1
#include "lib/libtcc1.c"
#include "lib/va_list.c"
#endif
