// Many threads on one cache, through tsc.hpp: handlers that are called on other threads, waits that
// are given up at the moment at which they end, a listener that several threads are in, and a cache
// that is closed while all of that goes on. For ThreadSanitizer, and by itself.

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test.hpp"
#include "tsc.hpp"

using namespace std::chrono_literals;

enum { THREADS = 8 };

static int rounds() {
    return std::getenv("TSC_TEST_SLOW") ? 60 : 400;
}

static tsc::session_info ticket() {
    tsc::session_info info{};
    info.tls_version = 0x0304;
    info.lifetime_seconds = 3600;
    return info;
}

// Opened once, by a handler.
class gate {
  public:
    void open() {
        const std::lock_guard<std::mutex> lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    bool pass(std::chrono::milliseconds longest) {
        std::unique_lock<std::mutex> lock(mutex_);
        return changed_.wait_for(lock, longest, [&] { return open_; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

template <class Work> void in_threads(Work work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < THREADS; i++)
        threads.emplace_back([&work, i] { work(i); });
    for (auto &thread : threads)
        thread.join();
}

static void attempts_of_many_threads_wait_for_each_other() {
    std::atomic<std::uint64_t> told{0};
    auto cache = *tsc::cache::make({}, [&](const tsc::event &event) { told += event.count(); });
    auto config = *tsc::config::make(cache);
    std::atomic<int> waited{0}, called{0}, given_up{0};
    auto first = *tsc::attempt::make(config, {"db.example", 1});
    REQUIRE(first.offer().status() == TSC_NOT_FOUND);
    in_threads([&](int number) {
        // However the threads are scheduled, somebody waits.
        if (number == 0) {
            while (waited == 0)
                std::this_thread::yield();
            REQUIRE(first.receive(ticket(), "ticket") == TSC_OK);
            REQUIRE(first.established(false) == TSC_OK);
        }
        for (int round = 0; round < rounds(); round++) {
            const tsc::endpoint node{"db.example", static_cast<std::uint32_t>(1 + round % 3)};
            auto attempt = *tsc::attempt::make(config, node);
            // Shared by the handler, which may come late.
            auto over = std::make_shared<gate>();
            std::string note = "of round " + std::to_string(round);
            const auto status = attempt.wait(1h, [over, &called, note] {
                REQUIRE(note.size() > 8);
                called++;
                over->open();
            });
            if (status == TSC_WAIT) {
                waited++;
                // Some are impatient, as at a deadline; what is being called then is left to it.
                const bool impatient = (round + number) % 4 == 0;
                if (!over->pass(impatient ? 0ms : 50ms)) {
                    if (attempt.wait_end() == TSC_OK)
                        given_up++;
                    else
                        REQUIRE(over->pass(20s));
                }
            }
            auto session = attempt.offer();
            const bool resumed = bool(session);
            REQUIRE(!resumed || session->data.text() == "ticket");
            REQUIRE(attempt.sent() == TSC_OK);
            REQUIRE(attempt.receive(ticket(), "ticket") == TSC_OK);
            if (round % 16 == 7)
                REQUIRE(attempt.failed(tsc::facts::sent | tsc::facts::handshake_done) == TSC_OK);
            else
                REQUIRE(attempt.established(resumed) == TSC_OK);
        }
    });
    std::fprintf(stderr, "%d waited: %d called, %d given up\n", waited.load(), called.load(),
                 given_up.load());
    REQUIRE(waited == called + given_up && waited > 0 && told > 0);
    require_books(cache);
}

static void closing_ends_the_waits_of_all_threads() {
    for (int round = 0; round < rounds() / 10; round++) {
        auto cache = *tsc::cache::make();
        auto config = *tsc::config::make(cache);
        const tsc::endpoint node{"db.example", 9142};
        auto first = *tsc::attempt::make(config, node);
        REQUIRE(first.offer().status() == TSC_NOT_FOUND);
        in_threads([&](int number) {
            if (number == 0) {
                REQUIRE(cache.close() == TSC_OK);
                return;
            }
            auto attempt = *tsc::attempt::make(config, node);
            gate over;
            const auto status = attempt.wait(1h, [&] { over.open(); });
            REQUIRE(status == TSC_OK || (status == TSC_WAIT && over.pass(20s)));
            REQUIRE(attempt.offer().status() == TSC_NOT_FOUND);
        });
        require_books(cache);
    }
}

// Handles to one cache in each thread, and sessions under keys of one's own.
static void handles_in_many_threads_share_one_cache() {
    auto cache = *tsc::cache::make();
    std::atomic<int> put{0}, taken{0};
    in_threads([&](int) {
        auto own = *cache.share();
        for (int round = 0; round < rounds(); round++) {
            put += own.put("key", ticket(), "session") == TSC_OK;
            if (auto it = own.take("key")) {
                REQUIRE(it->data.text() == "session");
                taken++;
            }
        }
    });
    int left = 0;
    while (cache.take("key"))
        left++;
    REQUIRE(put == THREADS * rounds() &&
            taken + left + static_cast<int>(cache.stats()->displaced) == put);
    require_books(cache);
}

int main() {
    RUN(attempts_of_many_threads_wait_for_each_other);
    RUN(closing_ends_the_waits_of_all_threads);
    RUN(handles_in_many_threads_share_one_cache);
}
