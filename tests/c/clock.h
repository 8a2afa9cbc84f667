/* A clock that stands still until a test moves it. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#define SECOND UINT64_C(1000)
#define DAY (86400 * SECOND)

typedef struct {
    _Atomic uint64_t ms;
} driven_clock;

static inline uint64_t driven_clock_now(void *clock) {
    return atomic_load(&((driven_clock *)clock)->ms);
}

static inline void driven_clock_advance(driven_clock *clock, uint64_t ms) {
    atomic_fetch_add(&clock->ms, ms);
}

#endif
