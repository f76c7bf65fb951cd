/* Preloaded into a process: a disk that is slow below one folder, and a wall clock that can be set.
 *
 * CHAOS_CONTROL names a file of two little-endian int64, mapped and read at each call: nanoseconds added to the wall
 * clock, and microseconds that each call to the disk takes longer. CHAOS_DISK is the folder. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000LL

static const volatile int64_t nothing[2];
static const volatile int64_t *control = nothing;
static char folder[PATH_MAX];
static size_t folder_length;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("CHAOS_CONTROL"), *disk = getenv("CHAOS_DISK");
    if (!path || !disk) return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *map = mmap(NULL, sizeof nothing, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (map == MAP_FAILED) return;
    folder_length = (size_t)snprintf(folder, sizeof folder, "%s/", disk);
    control = map;
}

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

/* ---- the clock ---- */

static void shift(struct timespec *when, int64_t nanoseconds) {
    int64_t total = when->tv_sec * BILLION + when->tv_nsec + nanoseconds;
    when->tv_sec = total / BILLION;
    when->tv_nsec = total % BILLION;
}

/* Waits until a moment of the set clock must end at that moment of the kernel's. Moments before 2001 are those of
 * another clock: such a condition counts from the start of the machine. */
static const struct timespec *unshifted(const struct timespec *until, struct timespec *buffer) {
    if (!until || until->tv_sec < BILLION) return until;
    *buffer = *until;
    shift(buffer, -control[0]);
    return buffer;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = REAL(clock_gettime)(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(now, control[0]);
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    struct timespec buffer;
    return REAL(sem_timedwait)(semaphore, unshifted(until, &buffer));
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    struct timespec buffer;
    return REAL(pthread_cond_timedwait)(condition, mutex, unshifted(until, &buffer));
}

/* gRPC waits by the futex call itself. */
long syscall(long number, ...) {
    long a[6];
    va_list arguments;
    struct timespec buffer;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME)) a[3] = (long)unshifted((struct timespec *)a[3], &buffer);
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- the disk ---- */

static void wait_for_disk(const char *path) {
    if (strncmp(path, folder, folder_length) != 0) return;
    struct timespec rest = {control[1] / 1000000, control[1] % 1000000 * 1000};
    int before = errno;
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {}
    errno = before;
}

static void slow_file(int file) {
    if (control[1] <= 0) return;
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    wait_for_disk(path);
}

static void slow_path(const char *path) {
    if (control[1] > 0) wait_for_disk(path);
}

#define SLOW_FILE(result, name, parameters, arguments) \
    result name parameters { slow_file(file); return REAL(name) arguments; }

SLOW_FILE(ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
SLOW_FILE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
SLOW_FILE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
SLOW_FILE(ssize_t, writev, (int file, const struct iovec *parts, int count), (file, parts, count))
SLOW_FILE(ssize_t, pwritev, (int file, const struct iovec *parts, int count, off_t at), (file, parts, count, at))
SLOW_FILE(ssize_t, pwritev64, (int file, const struct iovec *parts, int count, off64_t at), (file, parts, count, at))
SLOW_FILE(ssize_t, pwritev2, (int file, const struct iovec *parts, int count, off_t at, int flags),
          (file, parts, count, at, flags))
SLOW_FILE(ssize_t, pwritev64v2, (int file, const struct iovec *parts, int count, off64_t at, int flags),
          (file, parts, count, at, flags))
SLOW_FILE(int, fsync, (int file), (file))
SLOW_FILE(int, fdatasync, (int file), (file))
SLOW_FILE(int, ftruncate64, (int file, off64_t size), (file, size))

int rename(const char *from, const char *to) {
    slow_path(to);
    return REAL(rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    slow_path(to);
    return REAL(renameat)(from_folder, from, to_folder, to);
}
