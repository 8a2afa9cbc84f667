#ifndef TSC_GO_TSCTEST_H
#define TSC_GO_TSCTEST_H

#include <stdbool.h>
#include <stdint.h>
#include <tsc.h>

// clock.c
uint64_t tsctest_clock(void *milliseconds);

// wrap.c
int64_t tsctest_handles(void);
void tsctest_hold_sent(bool hold);

#endif
