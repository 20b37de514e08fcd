/* Statements: loops, switch, goto, labels, blocks and scopes. */
#include <stdio.h>
static int classify(int c) {
  switch (c) {
  case 'a' ... 'f': return 1;
  case '0': case '1': case '2': return 2;
  case -5: c++; /* falls through */
  case -4: return c;
  case 1000000: return 4;
  case 0x7fffffff: return 5;
  case (int)0x80000000: return 6;
  default: return c > 500 ? 7 : 8;
  }
}
static int wide(long n) { switch (n) { case 0x123456789a: return 1; case -1L: return 2; case 5: return 3; } return 0; }
static int narrow(unsigned char c) { switch (c) { case 255: return 1; case 256: return 2; case 0: return 3; default: return 4; } }
static int dense(int n) { int r = 0; switch (n) { case 9: r++; case 8: r++; case 7: r++; break; case 1: r = 100; case 2: r += 10; break; case 3: { int r = 5; n = r; } case 4: r = n; } return r; }
static int duff(int n) { int steps = 0; switch (n % 4) { do { case 0: steps++; case 3: steps++; case 2: steps++; case 1: steps++; } while ((n -= 4) > 0); } return steps; }
static int jump(int n) {
  int total = 0;
again:
  if (n > 0) { total += n--; goto again; }
  if (total > 50) goto out;
  { int inner = total; if (inner) goto middle; total = -1; middle: total += 1000; }
out:
  return total;
}
static int never(void) { if (0) { unreachable: return 5; } goto unreachable; }
int x = 1;
int main(void) {
  int i, j, n = 0, cases[] = {'c', '1', -5, -4, 1000000, 0x7fffffff, 0x80000000, 600, 3};
  for (i = 0; i < 9; i++) printf("%d ", classify(cases[i]));
  printf("%d %d %d %d\n", wide(0x123456789a), wide(-1), wide(5), wide(0x23456789a));
  printf("%d %d %d\n", narrow(255), narrow(0), narrow(9));
  for (i = 0; i < 11; i++) printf("%d ", dense(i));
  printf("%d %d %d %d %d\n", duff(5), duff(8), jump(3), jump(20), never());
  for (i = 0;; i++) { if (i == 3) continue; if (i > 6) break; n += i; }
  while (1) { if (n++ > 30) break; else continue; }
  do { n--; if (n == 20) continue; if (n == 15) break; } while (n > 10);
  printf("%d %d\n", i, n);
  for (i = 0, j = 10; i < j; i += 2, j--) ;
  for (int i = 0, k = 5; i < k; i++) { int i = 100; n += i; }
  printf("%d %d %d\n", i, j, n);
  for (i = 0; i < 3; i++) { for (j = 0; j < 3; j++) { if (j == 1) continue; if (i == 1) break; switch (j) { case 2: continue; default: break; } n++; } }
  printf("%d\n", n);
  { int x = 2; { extern int x; printf("%d ", x); { int x = 3; printf("%d ", x); } } printf("%d\n", x); }
  if (x) if (!x) printf("no\n"); else printf("else of the inner if\n");
  i = 3;
  while (i--) { static int kept; int fresh = 0; kept += 2; fresh++; printf("%d.%d ", kept, fresh); } printf("\n");
  if (n > 5 && n < 5 || n == 4 && !(n != 4 || x) || 1 == x && (n ? n : 0)) printf("taken\n");
  return n == 0;
}
