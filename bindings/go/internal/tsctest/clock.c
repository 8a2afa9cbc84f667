#include "tsctest.h"

uint64_t tsctest_clock(void *milliseconds) {
    return __atomic_load_n((uint64_t *)milliseconds, __ATOMIC_SEQ_CST);
}
