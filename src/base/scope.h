/*
 * scope: release a resource when its variable leaves scope.
 *
 *     SCOPED(fd) int in = open(path, O_RDONLY | O_CLOEXEC);
 *     ...
 *     out->fd = TAKE_FD(in);          success: ownership moves out, nothing is closed
 *
 * One SCOPED name per resource type, declared beside that type as scope_NAME(T *).
 * Every release function accepts the empty value, so early returns need no cases.
 */
#ifndef SIGNALBOX_BASE_SCOPE_H
#define SIGNALBOX_BASE_SCOPE_H
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define SCOPED(name) __attribute__((cleanup(scope_##name), unused))

static inline void scope_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline int take_fd(int *fd)
{
    int n = *fd;
    *fd = -1;
    return n;
}
#define TAKE_FD(fd) take_fd(&(fd))

/* SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&m); */
static inline void scope_unlock(pthread_mutex_t **m)
{
    if (*m)
        pthread_mutex_unlock(*m);
}
static inline pthread_mutex_t *lock_mutex(pthread_mutex_t *m)
{
    pthread_mutex_lock(m);
    return m;
}

#endif
