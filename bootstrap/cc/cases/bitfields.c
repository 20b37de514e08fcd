/* Bit-fields: layout as gcc has it, signedness, promotion, updates. */
#include <stdio.h>
#include <string.h>
struct a { unsigned x : 3, y : 7; int z : 5; unsigned w : 20; char c; unsigned short s : 9; _Bool b : 1; };
struct b { unsigned char a : 4, b : 5; long l : 40; int : 0; int i : 1; unsigned : 3; unsigned u : 4; };
struct c { unsigned long n : 33; unsigned v : 32; int after; };
union d { unsigned all; struct { unsigned low : 4, : 4, mid : 8, high : 16; }; };
static struct a table[] = {{1, 100, -3, 99999, 'q', 300, 1}, {7, .z = 15, 1}};
static void dump(void *p, int n) { unsigned char *c = p; while (n--) printf("%02x", *c++); printf("\n"); }
int main(void) {
  struct a s; struct b t; struct c u; union d v; struct a *p = &s;
  memset(&s, 0, sizeof s); memset(&t, 0, sizeof t); memset(&u, 0, sizeof u);
  printf("%lu %lu %lu %lu\n", sizeof s, sizeof t, sizeof u, sizeof v);
  s.x = 13; s.y = 100; s.z = -1; s.w = 0xfffff; s.c = 'c'; s.s = 511; s.b = 4;
  printf("%d %d %d %d %d %d %d\n", s.x, s.y, s.z, s.w, s.c, s.s, s.b);
  dump(&s, sizeof s);
  p->x++; p->y += 200; p->z--; p->w <<= 3; p->s ^= 0x155; p->z = p->x - 20;
  printf("%d %d %d %d %d\n", s.x, s.y, s.z, s.w, s.s);
  printf("%d %d\n", p->x++, ++p->x); printf("%d\n", p->z = 17);
  t.a = 9; t.b = 17; t.l = -123456789012; t.i = 1; t.u = 11;
  printf("%d %d %ld %d %d\n", t.a, t.b, (long)t.l, t.i, t.u);
  dump(&t, sizeof t);
  u.n = 0x1ffffffff; u.v = 0xffffffff; u.after = -1;
  printf("%lu %u %d\n", (unsigned long)u.n, u.v, u.after); dump(&u, sizeof u);
  v.all = 0x12345678;
  printf("%x %x %x %d\n", v.low, v.mid, v.high, -1 < (int)v.low);
  s.x = 1; printf("%d %d\n", -1 < s.x, s.x - 2 < 0);
  printf("%d %d %d %d %d %d %d %d\n", table[0].z, table[0].w, table[0].s, table[0].b, table[1].x, table[1].z, table[1].w, table[1].y);
  return 0;
}
