/* Integer types: conversions, promotions, all operators, constants. */
#include <stdio.h>
typedef unsigned char byte;
static void show(const char *what, long value) { printf("%s %ld\n", what, value); }
int main(void) {
  signed char c = -100;
  unsigned char uc = 200;
  short s = -30000;
  unsigned short us = 60000;
  int i = -2000000000;
  unsigned u = 4000000000U;
  long l = -5000000000L;
  unsigned long ul = 0xf000000000000000;
  _Bool b = 12;
  show("sum", c + uc + s + us);
  show("char", (signed char)(c - 100));
  show("uchar", (byte)(uc + 100));
  show("short", (short)(s - 10000));
  show("ushort", (unsigned short)(us + 10000));
  show("unsigned", u + 1000000000U);
  show("wrap", (int)(u * 3));
  show("mixed", i + u > 0);
  show("compare", -1 < 1U);
  show("compare64", -1 < 1UL);
  show("ulong", ul > 1);
  show("bool", b + b);
  show("boolptr", (_Bool)"x" + (_Bool)0.5 + (_Bool)0);
  printf("%d %d %d %d\n", -7 / 2, -7 % 2, 7 / -2, 7 % -2);
  printf("%u %u %lu %lu\n", u / 7, u % 7, ul / 10, ul % 10);
  printf("%ld %ld\n", l / 3, l % 3);
  printf("%d %d %u %d\n", i >> 3, -1 >> 31, u >> 3, 1 << 30);
  printf("%ld %lu %ld\n", l >> 4, ul >> 60, 1L << 62);
  printf("%x %x %x %x\n", 0xf0 & 0x3c, 0xf0 | 0x3c, 0xf0 ^ 0x3c, ~0xf0);
  printf("%d %d %d %d\n", !5, !0, -i < 0, ~i);
  printf("%d %d %d\n", 3 && 0, 0 || 7, !(1 && 2));
  i = 5;
  i += 3; i -= 1; i *= 6; i /= 4; i %= 7; i <<= 4; i >>= 1; i &= 30; i |= 64; i ^= 3;
  show("compound", i);
  uc += 100; c -= 100; s *= 2; us <<= 3; b += 5; ul >>= 60; l |= 1;
  printf("%d %d %d %d %d %lu %ld\n", uc, c, s, us, b, ul, l);
  show("post", i++ + i--);
  show("pre", ++i);
  uc = 255; show("uc++", uc++ * 1000 + uc);
  c = -128; show("--c", --c);
  printf("%lu %lu %lu %lu\n", sizeof(long), sizeof 1, sizeof 'a', sizeof(1 ? (short)1 : (char)2));
  printf("%lu %lu %lu %lu\n", sizeof 2147483648, sizeof 0x80000000, sizeof 1U, sizeof 1LL);
  printf("%d %d %ld %lu\n", 017, 0X1F, 0x7fffffffffffffff, 18446744073709551615UL);
  printf("%d\n", (1, 2, 3));
  show("neg", -(unsigned char)1);
  show("not", ~(unsigned)0);
  show("minus", -4000000000U);
  show("big", 2147483647 + 1L);
  show("mul", 65536L * 65536 * 5 - 3);
  i = 10; show("ternary", i > 5 ? i < 20 ? 1 : 2 : 3);
  show("unsigned ternary", (1 ? -1 : 1U) > 0);
  u = 3; show("div neg", (int)(-9 / (int)u)); show("udiv", -9 / u);
  l = 1; show("shift count", l << (u + 40));
  return 0;
}
