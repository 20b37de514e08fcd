/* Macros, conditions, inclusion. */
#include <stdio.h>
#define EMPTY
#define ONE 1
#define ADD(a, b) ((a) + (b))
#define STRING(x) #x
#define EXPANDED(x) STRING(x)
#define PASTE(a, b) a##b
#define PASTE3(a, b, c) a##b##c
#define XPASTE(a, b) PASTE(a, b)
#define CALL(function, ...) function(__VA_ARGS__)
#define LOOP LOOP + ONE
#define f(x) (x + f)
#define NOTHING()
#define HASHES(x) #x EXPANDED(x)
#define LONG \
  (40 + \
   2)
#define APPLY(m, x) m(x)
#define TWICE(x) x x

int LOOP_value = 7;
#undef LOOP
static int f = 3;
static int g(int x) { return x * 2; }
#define g(x) g(x + 1)

#if defined(ONE) && ONE == 1 && !defined MISSING && (2 + 3 * 4 == 14) && -1 < 0 && (1 ? 2 : 0) == 2 && 'a' == 97
#define CHOSEN "first"
#elif ONE
#define CHOSEN "second"
#else
#error this group is not taken: don't complain
#endif

#ifdef MISSING
#if 1
int wrong1;
#else
#endif
#elif 0x10 >> 2 == 4 /* a comment
   over two lines */
int right = 5;
#else
int wrong2;
#endif

#ifndef MISSING
#include "preprocessor.h"
#include "preprocessor.h"
#endif

int main(void) {
  printf("%d %d %s\n", ADD(ONE, EMPTY 2), LONG, CHOSEN);
  printf("%s %s %s\n", STRING(ONE), EXPANDED(ONE), EXPANDED(ADD(1,  2)));
  printf("%s\n", STRING( a   "b\n" 'c' /* no */ d ));
  printf("%d %d %d\n", PASTE(12, 34), PASTE3(1, , 2), XPASTE(ONE, ONE));
  CALL(printf, "%d %s\n", 1, "variadic");
  CALL(printf, "no more\n");
  printf("%d\n", f(4));
  printf("%d\n", g(2));
  printf("%d NOTHING()%s\n", 1 NOTHING(), TWICE("x"));
  printf("%s\n", HASHES(ONE));
  printf("%d %d %s\n", __LINE__, right, "preprocessor.c" + 4);
  printf("%d\n", (ADD(2, 3) + APPLY(NEGATED, 4)) * INCLUDED);
  printf("%d\n", INCLUDED);
#line 5
#pragma whatever
  return 0;
}
