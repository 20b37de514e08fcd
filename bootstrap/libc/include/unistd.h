#ifndef _UNISTD_H
#define _UNISTD_H
#include <stddef.h>
int close(int descriptor);
ssize_t read(int descriptor, void *to, size_t count);
ssize_t write(int descriptor, const void *from, size_t count);
long lseek(int descriptor, long offset, int from);
int unlink(const char *path);
char *getcwd(char *to, size_t size);
int execvp(const char *path, char *const *arguments);
#endif
