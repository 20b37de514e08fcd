/* libc's formatted output and files. */
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>
int main(void) {
  char b[64]; FILE *f; int a = 0, m = 0, c = 0; size_t n;
  printf("[%5d] [%-5d] [%05d] [%+d] [% d] [%.3d] [%8.3d] [%-8.3d|\n", 42, 42, 42, 42, 42, 7, 7, 7);
  printf("[%x] [%X] [%#x] [%08x] [%o] [%#o] [%u] [%lu] [%lld] [%zu] [%hhd]\n", 255, 255, 255, 48879, 8, 8, -1, -1L, -5LL, sizeof b, 5);
  printf("[%s] [%10s] [%-10s] [%.2s] [%*s] [%-*s] [%.*s] [%c] [%3c] [%%]\n", "abc", "abc", "abc", "abc", 6, "x", 6, "x", 1, "xyz", 'c', 'd');
  printf("[%.2f] [%8.1f] [%.0f] [%05.1f] [%f]\n", 3.25, -2.5, 7.0, 1.5, 0.5);
  printf("%p %s\n", (void *)0x1234, "end");
  printf("%d %s\n", snprintf(b, 5, "%d", 1234567), b);
  printf("%d ", sprintf(b, "%c%c", 'o', 'k'));
  printf("%s\n", b);
  printf("%d\n", sscanf("3.14.x", "%d.%d.%d", &a, &m, &c));
  printf("%d %d %d\n", a, m, c);
  f = fopen("abn-cc-case", "wb+");
  for (a = 0; a < 3000; a++) fprintf(f, "%05d\n", a);
  fputs("tail", f);
  fputc('!', f);
  printf("%ld\n", ftell(f));
  fseek(f, 6 * 2999, SEEK_SET);
  n = fread(b, 1, 64, f);
  b[n] = 0;
  printf("%lu %s\n", n, b);
  fseek(f, -5, SEEK_END);
  n = fread(b, 1, 4, f);
  b[n] = 0;
  printf("%s\n", b);
  fclose(f);
  a = open("abn-cc-case", O_RDONLY);
  printf("%ld %ld\n", lseek(a, 0, SEEK_END), (long)read(a, b, 10));
  close(a);
  remove("abn-cc-case");
  printf("%d\n", open("abn-cc-case", O_RDONLY) < 0);
  fflush(stdout);
  return getenv("ABN_CASE") != 0;
}
