/* Pointers and arrays: arithmetic, comparison, conversion, strings, sizeof. */
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
static int matrix[3][4];
static char text[] = "one\ttwo\\\"\x41\101\0hidden";
char *strings[] = {"", "x" "y", "\x7f\377"};
static int second(int a[], int n) { return a[1] + n[a] + (int)sizeof a; }
static void set(int m[][4], int v) { m[2][3] = v; (*m)[1] = v + 1; }
int main(void) {
  int a[10], *p = a, *q = &a[7], i, **pp = &p, (*row)[4] = matrix;
  char *s = text, c;
  void *v = a;
  long l;
  unsigned u = 2;
  char big[1 << 12];
  for (i = 0; i < 10; i++) *(a + i) = i * i;
  printf("%d %d %d %d\n", *p, p[3], 3[p], *(p + 4));
  printf("%ld %ld %d %d %d\n", q - p, p - q, q > p, p == a, p != q);
  p += 2;
  printf("%d ", *p++);
  printf("%d ", *++p);
  printf("%d ", (*p)++);
  printf("%d ", --*p);
  printf("%d ", *p--);
  p -= u;
  printf("%ld\n", p - a);
  **pp = 77; (*pp)++; printf("%d %d\n", a[1], *p); p = (int *)((char *)a + 8); printf("%d\n", *p);
  set(matrix, 5);
  printf("%d %d %d %ld\n", matrix[2][3], row[0][1], *(*(matrix + 2) + 3), (long)((char *)&matrix[2] - (char *)matrix));
  printf("%d %lu %lu %lu\n", second(a, 3), sizeof a, sizeof matrix[0], sizeof(int *[3]));
  printf("%s %lu %d\n", text, sizeof text, (int)strlen(s));
  while ((c = *s++) != 0) if (c >= 'a' && c <= 'z') printf("%c", c - 32);
  printf("\n");
  printf("%d %d %d %d\n", '\n', '\'', '\0', '\377');
  printf("%d %d\n", strings[2][0], strings[2][1]);
  printf("%d %d %d\n", ((char *)v)[4], *(short *)((char *)v + 8), 0);
  l = (long)a;
  printf("%d %d\n", (int *)l == a, (void *)0 == 0);
  printf("%d %c\n", !s, "literal"[2]);
  i = 2;
  printf("%d ", a[i++]);
  printf("%d\n", i);
  a[i] = i;
  i = -1;
  printf("%d %d\n", a[3], (a + 4)[i]);
  q = a + 9;
  while (q > a + 6) *q-- = 0;
  printf("%d %d %ld\n", a[9], a[6], q - a);
  memset(big, 'b', sizeof big);
  big[4095] = 0;
  printf("%lu %c\n", strlen(big), big[4094]);
  p = malloc(100 * sizeof *p);
  p[99] = 4;
  p = realloc(p, 100000);
  printf("%d\n", p[99]);
  free(p);
  printf("%d %d %d\n", memcmp("abc", "abd", 3) < 0, strcmp("b", "a") > 0, strncmp("abc", "abx", 2));
  { char m[] = "0123456789"; memmove(m + 2, m, 5); printf("%s ", m); memmove(m, m + 3, 5); printf("%s\n", m); }
  printf("%s %s %s\n", strstr("hello world", "o w"), strrchr("a/b/c", '/'), strchr("abc", 'z') ? "?" : "none");
  printf("%ld %lu %ld %lu\n", strtol("-12x", &s, 10), strtoul("0xff", 0, 0), strtol("0777", 0, 0), strtoul("zz", 0, 36));
  printf("%s\n", s);
  return 0;
}
