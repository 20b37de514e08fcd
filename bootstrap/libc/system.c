/* libc, part 1: the kernel, the start of the program, jumps, memory. The only part that differs between cc and tcc. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <stdarg.h>
#include <fcntl.h>
#include <setjmp.h>
#include <time.h>
#include <sys/time.h>
#include <errno.h>

int main(int argc, char **argv);

char **environ;
int errno;

/* A system call; the kernel's result, negative for an error. */
long __system(long number, long a, long b, long c);

/* Runs main on what the kernel put on the stack: the number of arguments, then their addresses, 0, the environment. */
static void __run(long *stack) {
  environ = (char **)stack + stack[0] + 2;
  exit(main((int)stack[0], (char **)stack + 1));
}

#ifdef __ABN_CC__

/* cc: arguments lie at [rbp+16], [rbp+24], ...; no register outlives a call except rbp and rsp. */

long __system(long number, long a, long b, long c) {
  __asm__("488b4510"   /* mov rax,[rbp+16] */
          "488b7d18"   /* mov rdi,[rbp+24] */
          "488b7520"   /* mov rsi,[rbp+32] */
          "488b5528"   /* mov rdx,[rbp+40] */
          "0f05"       /* syscall */
          "c9c3");     /* leave; ret */
}

/* The kernel's stack as a frame of cc: where the return address would be, the number; then the first argument. */
void _start(char *first) {
  __run((long *)&first - 1);
}

int setjmp(jmp_buf place) {
  __asm__("488b4d10"   /* mov rcx,[rbp+16] */
          "488b4500"   /* mov rax,[rbp]       the caller's rbp */
          "488901"     /* mov [rcx],rax */
          "488b4508"   /* mov rax,[rbp+8]     the return address */
          "48894108"   /* mov [rcx+8],rax */
          "488d4510"   /* lea rax,[rbp+16]    rsp after the return */
          "48894110"); /* mov [rcx+16],rax */
  return 0;
}

void longjmp(jmp_buf place, int value) {
  if (!value) value = 1;
  __asm__("486345"     /* movsxd rax,dword [rbp+24] */
          "18"
          "488b4d10"   /* mov rcx,[rbp+16] */
          "488b29"     /* mov rbp,[rcx] */
          "488b6110"   /* mov rsp,[rcx+16] */
          "ff6108");   /* jmp [rcx+8] */
}

#else

/* tcc: the System V calling convention. */

__asm__(".globl __system\n__system: mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nsyscall\nret\n");

__asm__(".globl _start\n_start: xor %ebp,%ebp\nmov %rsp,%rdi\nand $-16,%rsp\ncall __run\n");

__asm__(".globl setjmp\nsetjmp: mov %rbx,(%rdi)\nmov %rbp,8(%rdi)\nmov %r12,16(%rdi)\nmov %r13,24(%rdi)\n"
        "mov %r14,32(%rdi)\nmov %r15,40(%rdi)\nlea 8(%rsp),%rax\nmov %rax,48(%rdi)\nmov (%rsp),%rax\n"
        "mov %rax,56(%rdi)\nxor %eax,%eax\nret\n");

__asm__(".globl longjmp\nlongjmp: mov %esi,%eax\ntest %eax,%eax\njne 1f\ninc %eax\n1: mov (%rdi),%rbx\n"
        "mov 8(%rdi),%rbp\nmov 16(%rdi),%r12\nmov 24(%rdi),%r13\nmov 32(%rdi),%r14\nmov 40(%rdi),%r15\n"
        "mov 48(%rdi),%rsp\njmp *56(%rdi)\n");

#endif

/* The result of a system call as C gives it: -1 and errno for an error. */
static long __result(long result) {
  if (result < 0) {
    errno = -result;
    return -1;
  }
  return result;
}

int open(const char *path, int flags, ...) {
  int mode = 0;
  if (flags & O_CREAT) {
    va_list list;
    va_start(list, flags);
    mode = va_arg(list, int);
    va_end(list);
  }
  return __result(__system(2, (long)path, flags, mode));
}

int close(int descriptor) {
  return __result(__system(3, descriptor, 0, 0));
}

ssize_t read(int descriptor, void *to, size_t count) {
  return __result(__system(0, descriptor, (long)to, count));
}

ssize_t write(int descriptor, const void *from, size_t count) {
  return __result(__system(1, descriptor, (long)from, count));
}

long lseek(int descriptor, long offset, int from) {
  return __result(__system(8, descriptor, offset, from));
}

int unlink(const char *path) {
  return __result(__system(87, (long)path, 0, 0));
}

char *getcwd(char *to, size_t size) {
  return __result(__system(79, (long)to, size, 0)) < 0 ? 0 : to;
}

int execvp(const char *path, char *const *arguments) {
  return __result(__system(59, (long)path, (long)arguments, (long)environ));
}

/* The clock stands still, so that what is built does not depend on it. */
time_t time(time_t *place) {
  if (place) *place = 1;
  return 1;
}

struct tm *localtime(const time_t *time) {
  static struct tm epoch = {1, 0, 0, 1, 0, 70, 4, 0, 0};
  return &epoch;
}

int gettimeofday(struct timeval *place, void *zone) {
  place->tv_sec = 1;
  place->tv_usec = 0;
  return 0;
}

/* Memory only grows. A block's size stands 16 bytes before it. The latest block can be extended where it is. */

static char *__heap, *__heap_end;

void *malloc(size_t size) {
  char *block;
  size = (size + 15) & ~15UL;
  if (!__heap) __heap = __heap_end = (char *)((__system(12, 0, 0, 0) + 15) & ~15L);
  if (size + 16 > (size_t)(__heap_end - __heap)) {
    char *end = __heap + size + 16 + 0x100000;
    if (__system(12, (long)end, 0, 0) != (long)end) return 0;
    __heap_end = end;
  }
  block = __heap + 16;
  *(size_t *)__heap = size;
  __heap = block + size;
  return block;
}

void free(void *block) {
  if (block && (char *)block + ((size_t *)block)[-2] == __heap) __heap = (char *)block - 16;
}

void *realloc(void *block, size_t size) {
  size_t old;
  void *copy;
  if (!block) return malloc(size);
  old = ((size_t *)block)[-2];
  if (size <= old) return block;
  if ((char *)block + old == __heap) {
    free(block);
    return malloc(size);
  }
  copy = malloc(size);
  if (copy) memcpy(copy, block, old);
  return copy;
}

void *calloc(size_t count, size_t size) {
  void *block = malloc(count * size);
  if (block) memset(block, 0, count * size);
  return block;
}
