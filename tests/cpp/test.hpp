// test.hpp: what the C++ tests need of a framework. A test is a function; main names them all.

#ifndef TEST_HPP
#define TEST_HPP

#include <cstdio>
#include <cstdlib>

// Ends the program unless the condition holds; works without exceptions, and on any thread.
#define REQUIRE(...)                                                                               \
    do {                                                                                           \
        if (!(__VA_ARGS__)) {                                                                      \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #__VA_ARGS__);         \
            std::abort();                                                                          \
        }                                                                                          \
    } while (0)

// Prints what tools/c-tests counts.
#define RUN(test)                                                                                  \
    do {                                                                                           \
        std::fprintf(stderr, "[ RUN      ] %s\n", #test);                                          \
        test();                                                                                    \
        std::fprintf(stderr, "[       OK ] %s\n", #test);                                          \
    } while (0)

// What came into a cache went for one of the reasons in tsc_stats, or is there. At a quiet moment.
template <class Cache> void require_books(const Cache &cache) {
    const auto stats = *cache.stats();
    REQUIRE(stats.stored + stats.returned == stats.taken + stats.expired + stats.evicted +
                                                 stats.displaced + stats.removed + stats.sessions);
}

#endif
