/* Preloaded into a process, it sets its clock: the time of day is so many seconds ahead (less than 0: behind) as the
 * file says that CHAOS_CLOCK names, a 64-bit number, which may change at any time. The monotonic clock is left alone,
 * as it is by whoever sets the clock of a machine.
 *
 * (libfaketime does this too, but version 0.9.10 breaks the sleep of Python 3.11, even where nothing is to be faked.)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *set_by; /* read without a lock: a second call may map the file a second time */

static int64_t ahead_seconds(void)
{
    if (set_by == NULL) {
        const char *path = getenv("CHAOS_CLOCK");
        int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *set_by, PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0)
            close(file);
        if (mapped == MAP_FAILED)
            abort(); /* a process with the right time would only seem to be tested */
        set_by = mapped;
    }
    return *set_by;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += ahead_seconds();
    return (int)failed;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec precise;
    int failed = clock_gettime(CLOCK_REALTIME, &precise);
    (void)zone;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now != NULL)
        *now = precise.tv_sec;
    return precise.tv_sec;
}
