/* The whole libc as one translation unit, in this order; README.md says what it is for. */
#include "system.c"
#include "string.c"
#include "float.c"
#include "stdio.c"
