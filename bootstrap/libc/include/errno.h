#ifndef _ERRNO_H
#define _ERRNO_H
extern int errno;
#define EINTR 4
#endif
