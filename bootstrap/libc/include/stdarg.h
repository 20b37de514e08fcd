/* Variable arguments. cc passes every argument on the stack, in order, each in a multiple of 8 bytes. */
#ifdef __ABN_CC__
#ifndef _STDARG_H
#define _STDARG_H
typedef char *va_list;
#define __va_bytes(type) (sizeof(type) + 7 & ~7UL)
#define va_start(list, last) (list = (char *)&(last) + __va_bytes(last))
#define va_arg(list, type) (*(type *)((list += __va_bytes(type)) - __va_bytes(type)))
#define va_copy(to, from) (to = from)
#define va_end(list) ((void)0)
#endif
#else
#include_next <stdarg.h>
#endif
