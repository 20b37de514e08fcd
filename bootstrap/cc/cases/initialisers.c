/* Initialisers: nested, without inner braces, designated, strings, addresses; static and automatic. */
#include <stdio.h>
struct p { int x, y; };
struct s { char name[6]; struct p at[2]; const char *text; union { int i; double d; } u; };
static int a[] = {1, 2, 3}, b[5] = {[3] = 7, 8}, c[2][3] = {1, 2, 3, 4}, d[][2] = {{1}, {2, 3}, 4, 5};
static struct s one = {"abc", {{1, 2}, 3, 4}, "text", {5}};
static struct s many[] = {{.text = "t", .at[1].y = 9, .at[0] = {6, 7}}, [2] = {"sixsix", 1, 2, 3, 4, "u", 7}};
static char s1[] = "hello", s2[3] = "abc", s3[8] = {"x\0y"}, *names[] = {"a", "b" "c", 0}, grid[2][4] = {"ab", {'c', 0}};
static int *pointer = &a[1], *end = a + 3;
static struct p *pp = &one.at[1];
static int *inner = &many[2].at[0].y;
static int (*functions[])(const char *, ...) = {printf, printf}; static void *self = &self;
static long distance = sizeof many / sizeof *many, logic = 0 && 1 / sizeof many || 1;
static unsigned char wrap = 300;
static short negative = 65535;
static double fromint = 3;
static int fromdouble = 2.9;
static enum { A, B = 5, C, D = C * 2 } e = D;
int empty[4]; static const int sizes[C] = {[A] = 1, [B] = 2};
static void show(struct s *s) { printf("%.6s %d %d %d %d %s %d\n", s->name, s->at[0].x, s->at[0].y, s->at[1].x, s->at[1].y, s->text ? s->text : "-", s->u.i); }
static int count;
static int next(void) { return ++count; }
int main(void) {
  int i, j, la[] = {next(), next(), next()}, lb[6] = {[2] = next(), [5] = 9};
  struct s local = {"xyz", {{next(), 2}, [1].y = 3}, names[1], {.i = 11}}, copy = local, zero = {0};
  struct p ps[] = {{1, 2}, {3, 3}, {.y = 4}}, single = {next()};
  char t[] = "auto" "matic", u[10] = "short"; char *v[] = {t, u}; int scalar = {42};
  static int kept = 5, keptarray[] = {1, 2}; double f[3] = {1, 2.5}; char braces[2][2] = {{1, 2}, {3, 4},};
  for (i = 0; i < 3; i++) printf("%d ", a[i]);
  for (i = 0; i < 5; i++) printf("%d ", b[i]);
  for (i = 0; i < 2; i++) for (j = 0; j < 3; j++) printf("%d ", c[i][j]);
  for (i = 0; i < 3; i++) printf("%d.%d ", d[i][0], d[i][1]);
  printf("%lu\n", sizeof d);
  show(&one); for (i = 0; i < 3; i++) show(many + i);
  printf("%s %.3s %d %d %s %s %s %lu %lu\n", s1, s2, s3[2], s3[3], names[0], names[1], grid[1], sizeof s1, sizeof names);
  printf("%d %d %d %d %d %d\n", *pointer, end[-1], pp->y, *inner, self == &self, functions[1] == printf);
  printf("%ld %d %d %.1f %d %d %d %d %lu %d\n", distance, wrap, negative, fromint, fromdouble, e, empty[3], sizes[5], sizeof sizes, sizes[0]);
  for (i = 0; i < 3; i++) printf("%d ", la[i]); for (i = 0; i < 6; i++) printf("%d ", lb[i]); printf("\n");
  show(&local); show(&copy); show(&zero);
  printf("%d %d %d %d %d %d\n", ps[0].y, ps[2].x, ps[2].y, single.x, single.y, scalar);
  printf("%s %s %d %lu %s %s %d %d %d %d\n", t, u, u[9], sizeof t, v[0], v[1], kept++, keptarray[1], (int)(f[1] * 2), braces[1][1]);
  return 0;
}
