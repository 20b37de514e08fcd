#ifndef _SEMAPHORE_H
#define _SEMAPHORE_H
/* There is one thread, so a semaphore never waits. */
typedef int sem_t;
#define sem_init(semaphore, shared, value) 0
#define sem_wait(semaphore) 0
#define sem_post(semaphore) 0
#endif
