/* The books of a cache, which every test checks in its teardown by freeing with free_cache. */
#ifndef BOOKS_H
#define BOOKS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tsc.h"

/* What came into the cache went for one of the reasons in tsc_stats, or is there. At a quiet
 * moment. */
static inline void assert_books(const tsc_cache *cache) {
    tsc_stats stats;
    assert_int_equal(tsc_stats_get(cache, &stats, sizeof stats), TSC_OK);
    assert_int_equal(stats.stored + stats.returned, stats.taken + stats.expired + stats.evicted +
                                                        stats.displaced + stats.removed +
                                                        stats.sessions);
    assert_true(stats.taken <= stats.offered);
    assert_true(stats.returned <= stats.taken);
}

/* Frees the handle of a cache that nothing else uses at the moment. */
static inline void free_cache(tsc_cache *cache) {
    if (cache != NULL)
        assert_books(cache);
    tsc_cache_free(cache);
}

#endif
