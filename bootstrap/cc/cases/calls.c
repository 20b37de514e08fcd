/* Functions: pointers to them, variable arguments, recursion, many parameters, declarators. */
#include <stdio.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
struct pair { long a; char b; };
static int add(int a, int b) { return a + b; }
static int sub(int a, int b) { return a - b; }
static int (*choose(int which))(int, int) { return which ? add : sub; }
typedef int binary(int, int);
static int apply(binary *f, int a, int b) { return f(a, b) + (*f)(a, b) + (**f)(a, b); }
static int apply2(int f(int, int)) { return f(7, 8); }
static long many(char a, short b, int c, long d, float e, double f, long double g, unsigned char h, struct pair p, _Bool i) {
  return a + b + c + d + (long)e + (long)f + (long)g + h + p.a + p.b + i;
}
static long total(int count, ...) {
  va_list list, again;
  long sum = 0;
  va_start(list, count);
  va_copy(again, list);
  while (count--) {
    int kind = va_arg(list, int);
    if (kind == 0) sum += va_arg(list, int);
    else if (kind == 1) sum += va_arg(list, long);
    else if (kind == 2) sum += (long)(va_arg(list, double) * 10);
    else if (kind == 3) sum += (long)va_arg(list, long double);
    else if (kind == 4) { struct pair p = va_arg(list, struct pair); sum += p.a + p.b; }
    else sum += strlen(va_arg(list, char *));
  }
  va_end(list);
  return sum * 10 + va_arg(again, int);
}
static int indirect(char *to, const char *format, ...) { va_list list; int n; va_start(list, format); n = vsnprintf(to, 20, format, list); va_end(list); return n; }
static unsigned char narrow(int x) { return x; }
static short narrower(long x) { return x; }
static _Bool truth(double x) { return x; }
static int ack(int m, int n) { return m == 0 ? n + 1 : n == 0 ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1)); }
static jmp_buf place;
static void deep(int n) { if (n == 0) longjmp(place, 7); deep(n - 1); }
static int even(int);
static int odd(int n) { return n ? even(n - 1) : 0; } static int even(int n) { return n ? odd(n - 1) : 1; }
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void nothing() {}
char *(*table[2])(const char *, int) = {strchr, strrchr}; int (*(*array)[3])(int, int);
int main(int argc, char **argv) {
  struct pair p = {1000, 5};
  char text[20];
  int i, numbers[] = {5, 2, 9, -3, 7}, (*functions[3])(int, int) = {add, sub, choose(1)}, n;
  volatile int tries = 0;
  printf("%d %d %d\n", choose(1)(3, 4), choose(0)(3, 4), apply(sub, 9, 2) + apply2(&add));
  printf("%ld\n", many(-1, -2, 3, 4L << 33, 5.5f, 6.5, 7.5L, 255, p, 9));
  printf("%ld\n", total(6, 0, -5, 1, 1L << 40, 2, 2.5, 3, 40.0L, 4, p, 5, "four"));
  printf("%d %s\n", indirect(text, "%s-%d-%c-%s", "a", 42, 'z', "0123456789012345"), text);
  printf("%d %d %d %d\n", narrow(300), narrower(70000), truth(0.25), truth(0));
  printf("%d %d %d\n", ack(2, 5), even(10), odd(10));
  if ((n = setjmp(place)) == 0) deep(50); else { tries++; printf("back %d %d\n", n, tries); }
  array = &functions; printf("%d %d\n", (*array)[2](1, 1), (*functions[1])(5, 1));
  qsort(numbers, 5, sizeof *numbers, compare); for (i = 0; i < 5; i++) printf("%d ", numbers[i]);
  nothing(); printf("%s %s %d\n", table[0]("abcabc", 'b'), table[1]("abcabc", 'b'), argc);
  printf("%d\n", printf("%s", "") + (choose != 0) + (argv[argc] == 0));
  return 0;
}
