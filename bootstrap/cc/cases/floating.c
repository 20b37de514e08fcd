/* float, double, long double: constants, arithmetic that rounds once, conversions, comparisons. */
#include <stdio.h>
#include <stdlib.h>
union bits { float f; double d; unsigned long u; };
static void show(const char *what, double value) {
  union bits b;
  b.d = value;
  printf("%s %016lx\n", what, b.u);
}
static void showf(const char *what, float value) {
  union bits b;
  b.u = 0;
  b.f = value;
  printf("%s %08lx\n", what, b.u);
}
static void showl(const char *what, long double value) {
  union { long double l; unsigned long u[2]; } b;
  b.u[1] = 0;
  b.l = value;
  printf("%s %04lx %016lx\n", what, b.u[1] & 0xffff, b.u[0]);
}
static float half(float x) { return x / 2; }
static long double third(long double x) { return x / 3; }
static double table[] = {1, -2.5, 1e22, 1e-5};
static float ftable[3] = {0.1f, -3};
static long double ltable[2] = {1.5, -4294967296.0L};
double negated = -0.0;
int main(void) {
  double d = 0.1, e = 3;
  float f = 0.1f;
  long double l = 0.1;
  int i;
  show("add", d + 0.2); show("sub", d - e); show("mul", d * d); show("div", 1 / e);
  showf("fadd", f + 0.2f); showf("fsub", f - 3); showf("fmul", f * f); showf("fdiv", 1 / f);
  showl("ladd", l + 0.2); showl("lsub", l - 3); showl("lmul", l * l); showl("ldiv", 1 / l);
  show("mixed", f * d); showl("mixedl", f * l);
  show("1e23", 1e10 * 1e13); show("once", 9007199254740993L + 0.0);
  showf("half", half(3)); showl("third", third(1));
  showf("narrow", d); showf("narrow2", 16777217); show("narrow3", l * 7);
  show("neg", -d); showl("negl", -l); show("-0", negated); show("0-", -(e - 3));
  for (i = 0; i < 4; i++) show("table", table[i]);
  for (i = 0; i < 3; i++) showf("ftable", ftable[i]);
  for (i = 0; i < 2; i++) showl("ltable", ltable[i]);
  printf("%d %d %d %d %d %d\n", d < e, d > e, d <= d, d >= e, d == e, d != e);
  d = 0; e = d / d;
  printf("nan %d %d %d %d %d %d %d\n", e < d, e > d, e <= e, e >= d, e == e, e != e, !e);
  printf("%d %d %d\n", d ? 1 : 2, !d, d || 0.5);
  d = -3.99;
  printf("%d %ld %u %d %d\n", (int)d, (long)d, (unsigned)-d, (char)-d, (unsigned char)(d + 10));
  e = 1e19;
  printf("%lu %lu\n", (unsigned long)e, (unsigned long)3.7f);
  printf("%d %d\n", (int)2.9, (int)-2.9f);
  show("ulong", 18446744073709551615UL * 1.0); show("ulong2", (double)0x8000000000000401UL);
  showf("ulongf", (float)0xffffff8000000001UL); showl("ulongl", 0xfedcba9876543210UL);
  show("int", -7 + 0.5);
  show("uint", 4000000000U + 0.5);
  show("char", (char)-3 * 0.5);
  show("long", -5000000000L * 2.0);
  d = 5; d += 2; d *= 3; d -= 1; d /= 8; show("compound", d);
  i = 7; i *= 1.5; printf("%d\n", i);
  f = 2; show("post", f++ * 10 + f); f--; showf("pre", --f);
  d = f = 0.3; show("chain", d);
  show("cond", i ? 1 : 2.5); printf("%lu %lu %lu\n", sizeof(1 ? 1 : 2.5f), sizeof 1.0L, sizeof 1.0f);
  show("nested", (1.5 + d * (2.5 - (d + 1) / (3 - d))) * ((d + 1) * (d + 2)));
  show("strtod", strtod("2.2250738585072011e-308", 0)); showl("strtold", strtold("1e4000", 0));
  showf("strtof", strtof("1.00000005960464477539062501", 0));
  return 0;
}
