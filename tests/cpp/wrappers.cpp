// Every wrapper of tsc.hpp: what it passes on, what an empty handle answers, in which order things
// may end, and what becomes of callables. Compiled with exceptions and without.

#include <array>
#include <string>
#include <type_traits>
#include <vector>

#include "test.hpp"
#include "tsc.hpp"

using namespace std::chrono_literals;

static constexpr std::uint32_t TLS12 = 0x0303, TLS13 = 0x0304;
static const tsc::endpoint NODE{"db.example", 9142};

static tsc::session_info info_of(std::uint32_t tls_version, std::uint32_t lifetime = 3600) {
    tsc::session_info info{};
    info.tls_version = tls_version;
    info.lifetime_seconds = lifetime;
    return info;
}

// A full handshake in which the server sends these.
static void bring(const tsc::config &config, std::initializer_list<const char *> sessions,
                  const tsc::endpoint &to = NODE) {
    auto attempt = *tsc::attempt::make(config, to);
    for (const char *session : sessions)
        REQUIRE(attempt.receive(info_of(TLS13), session) == TSC_OK);
    REQUIRE(attempt.established(false) == TSC_OK);
}

// ---- Types --------------------------------------------------------------------------------------

template <class T> constexpr bool owns() {
    return std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
           !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
}
static_assert(owns<tsc::cache>() && owns<tsc::config>() && owns<tsc::attempt>() &&
              owns<tsc::buffer>());
// What has no bytes in a row is no view of bytes.
static_assert(!std::is_constructible_v<tsc::bytes, std::vector<int>>);
static_assert(!std::is_constructible_v<tsc::bytes, int>);

static void views_show_what_they_are_made_of() {
    const std::vector<std::uint8_t> vector{1, 2, 3};
    const std::array<unsigned char, 2> array{4, 5};
    const std::uint8_t plain[] = {6, 0};
    const std::string string("a\0b", 3);
    REQUIRE(tsc::bytes(vector).size() == 3 && tsc::bytes(vector)[2] == 3);
    REQUIRE(tsc::bytes(array).size() == 2 && tsc::bytes(plain).size() == 2);
    REQUIRE(tsc::bytes(string).size() == 3 && tsc::bytes("key").size() == 3);
    REQUIRE(tsc::bytes("key").text() == "key");
    REQUIRE(tsc::bytes(static_cast<const char *>(nullptr)).empty() && tsc::bytes().empty());
    int sum = 0;
    for (const std::uint8_t byte : tsc::bytes(vector))
        sum += byte;
    REQUIRE(sum == 6);
#ifdef __cpp_lib_span
    const std::span<const std::uint8_t> span = tsc::bytes(vector);
    REQUIRE(span.size() == 3 && tsc::bytes(span).data() == vector.data());
#endif
}

static void statuses_have_a_text() {
    REQUIRE(std::string(tsc::text(TSC_CLOSED)) == tsc_status_text(TSC_CLOSED));
    REQUIRE(std::string(tsc::version()) == tsc_version());
    REQUIRE(tsc::version_number() == tsc_version_number());
    REQUIRE(tsc::has_rustls() == (tsc_has_rustls() != 0));
}

static void results_hold_a_value_or_a_status() {
    tsc::options wrong{};
    wrong.flags = 1u << 31;
    auto none = tsc::cache::make(wrong);
    REQUIRE(!none && none.status() == TSC_UNSUPPORTED && (*none).get() == nullptr);
    auto some = tsc::cache::make();
    REQUIRE(some && some.status() == TSC_OK && some->get() != nullptr);
#ifdef TSC_EXCEPTIONS_
    REQUIRE(tsc::cache::make().value().get() != nullptr);
    bool thrown = false;
    try {
        (void)tsc::cache::make(wrong).value();
    } catch (const tsc::error &error) {
        thrown = error.status() == TSC_UNSUPPORTED &&
                 std::string(error.what()) == tsc::text(TSC_UNSUPPORTED);
    }
    REQUIRE(thrown);
    tsc::check(TSC_OK);
#endif
}

// ---- Handles ------------------------------------------------------------------------------------

// Every call of an empty handle answers, and does nothing.
static void answers_as_empty(tsc::cache &cache, tsc::config &config, tsc::attempt &attempt) {
    constexpr auto NO = TSC_INVALID_ARGUMENT;
    const std::array<std::uint8_t, TSC_EXPORT_KEY> key{};
    REQUIRE(!cache.get() && !config.get() && !attempt.get());
    REQUIRE(cache.share().status() == NO && cache.close() == NO && cache.clear() == NO);
    REQUIRE(cache.clear_expired().status() == NO);
    REQUIRE(cache.put("k", info_of(TLS13), "s") == NO && cache.take("k").status() == NO);
    REQUIRE(cache.available("k").status() == NO && cache.remove("k") == NO);
    REQUIRE(cache.stats().status() == NO && cache.prometheus().status() == NO);
    REQUIRE(cache.export_sessions(key).status() == NO);
    REQUIRE(cache.import_sessions(key, "x").status() == NO);
    REQUIRE(tsc::config::make(cache).status() == NO);
    REQUIRE(tsc::config::attach(cache, nullptr).status() != TSC_OK);
    REQUIRE(config.available(NODE).status() == NO && config.forecast(NODE).status() == NO);
    REQUIRE(config.export_sessions(key).status() == NO);
    REQUIRE(config.import_sessions(key, "x").status() == NO);
    REQUIRE(tsc::attempt::make(config, NODE).status() == NO);
    REQUIRE(attempt.offer().status() == NO && attempt.sent() == NO);
    REQUIRE(attempt.wants_another() == NO && attempt.withdraw() == NO);
    REQUIRE(attempt.receive(info_of(TLS13), "s") == NO && attempt.set_not_after(1) == NO);
    REQUIRE(attempt.established(false) == NO && attempt.failed(tsc::facts::sent) == NO);
    REQUIRE(attempt.reason().status() == NO);
    REQUIRE(attempt.info().status() == NO && attempt.wait(1ms) == NO && attempt.wait_end() == NO);
    REQUIRE(attempt.wait_fd(1ms).status() == NO && attempt.rustls_config().status() != TSC_OK);
    REQUIRE(attempt.wait(1ms, [] { REQUIRE(!"called"); }) == NO);
}

static void an_empty_handle_answers() {
    tsc::cache cache;
    tsc::config config;
    tsc::attempt attempt;
    answers_as_empty(cache, config, attempt);
}

static void a_moved_from_handle_is_empty() {
    auto cache = *tsc::cache::make();
    auto config = *tsc::config::make(cache);
    auto attempt = *tsc::attempt::make(config, NODE);
    auto to_cache = std::move(cache);
    auto to_config = std::move(config);
    auto to_attempt = std::move(attempt);
    answers_as_empty(cache, config, attempt);
    REQUIRE(to_attempt.established(false) == TSC_OK && to_cache.stats()->established == 1);
    // And back, over one that is not empty; and onto itself.
    cache = *tsc::cache::make();
    cache = std::move(to_cache);
    REQUIRE(cache.stats()->established == 1);
    auto &same = cache;
    cache = std::move(same);
    REQUIRE(cache.stats()->established == 1);
    config = std::move(to_config);
    attempt = *tsc::attempt::make(config, NODE);
    attempt = std::move(to_attempt);
    REQUIRE(attempt.info()->state == TSC_ATTEMPT_ESTABLISHED);
    REQUIRE(cache.stats()->unfinished == 1); // the one that was assigned over
}

static void handles_end_in_any_order() {
    for (int order = 0; order < 6; order++) {
        auto cache = *tsc::cache::make({}, [](const tsc::event &) {});
        auto config = *tsc::config::make(cache);
        auto attempt = *tsc::attempt::make(config, NODE);
        REQUIRE(attempt.receive(info_of(TLS13), "ticket") == TSC_OK);
        for (int step = 0; step < 3; step++) {
            switch ((order + (order < 3 ? step : 2 * step)) % 3) {
            case 0:
                cache = {};
                break;
            case 1:
                config = {};
                break;
            default:
                attempt.established(false);
                attempt = {};
            }
        }
        REQUIRE(!cache.get() && !config.get() && !attempt.get());
    }
}

static void a_closed_cache_answers() {
    auto cache = *tsc::cache::make();
    auto second = *cache.share();
    auto config = *tsc::config::make(cache);
    bring(config, {"a"});
    REQUIRE(*config.available(NODE) == 1);
    REQUIRE(second.close() == TSC_OK && cache.close() == TSC_OK);
    REQUIRE(cache.put("k", info_of(TLS12), "s") == TSC_CLOSED);
    REQUIRE(cache.take("k").status() == TSC_CLOSED);
    REQUIRE(tsc::config::make(cache).status() == TSC_CLOSED);
    auto attempt = *tsc::attempt::make(config, NODE);
    REQUIRE(attempt.offer().status() == TSC_NOT_FOUND);
    REQUIRE(attempt.wait(1h) == TSC_OK);
    REQUIRE(cache.stats()->stored == 1 && cache.stats()->sessions == 0);
}

// ---- Sessions -----------------------------------------------------------------------------------

static void sessions_under_the_callers_own_keys_come_back() {
    auto cache = *tsc::cache::make();
    const std::string large(5000, 'x');
    REQUIRE(cache.put("one", info_of(TLS13), "first") == TSC_OK);
    REQUIRE(cache.put("one", info_of(TLS13), large) == TSC_OK);
    REQUIRE(*cache.available("one") == 2 && *cache.available("two") == 0);
    auto newest = cache.take("one");
    REQUIRE(newest && newest->data.text() == large && newest->info.tls_version == TLS13);
    REQUIRE(cache.take("one")->data.text() == "first");
    REQUIRE(cache.take("one").status() == TSC_NOT_FOUND);
    REQUIRE(cache.put("", info_of(TLS13), "s") == TSC_INVALID_ARGUMENT);
    REQUIRE(cache.put("k", info_of(TLS13), "") == TSC_INVALID_ARGUMENT);
    REQUIRE(cache.take("").status() == TSC_INVALID_ARGUMENT);
    REQUIRE(cache.available("").status() == TSC_INVALID_ARGUMENT);
    REQUIRE(cache.remove("") == TSC_INVALID_ARGUMENT);
    REQUIRE(cache.put(std::string(TSC_MAX_KEY + 1, 'k'), info_of(TLS13), "s") == TSC_TOO_LARGE);
    REQUIRE(cache.put("k", info_of(TLS12), "s") == TSC_OK && cache.remove("k") == TSC_OK);
    REQUIRE(cache.remove("k") == TSC_NOT_FOUND && cache.clear() == TSC_OK);
}

static void an_attempt_offers_what_another_received() {
    auto cache = *tsc::cache::make();
    auto config = *tsc::config::make(cache);
    bring(config, {"ticket"});
    auto attempt = *tsc::attempt::make(config, NODE);
    auto session = attempt.offer();
    REQUIRE(session && session->data.text() == "ticket" && session->object == nullptr);
    REQUIRE(attempt.wants_another() == TSC_OK);
    REQUIRE(session->tls_version == TLS13 && session->lifetime > 3590s && session->age < 1h);
    REQUIRE(attempt.sent() == TSC_OK && attempt.established(true) == TSC_OK);
    REQUIRE(attempt.info()->resumed == 1);
    REQUIRE(attempt.failed(tsc::facts::sent) == TSC_WRONG_STATE);
    REQUIRE(attempt.withdraw() == TSC_WRONG_STATE);
    // To another endpoint there is none: each part of it counts.
    bring(config, {"ticket"});
    for (const tsc::endpoint &other :
         {tsc::endpoint{"db.example", 9143}, tsc::endpoint{"other.example", 9142},
          tsc::endpoint{"db.example", 9142, "other.example"},
          tsc::endpoint{"db.example", 9142, {}, "group"},
          tsc::endpoint{"db.example", 9142, {}, {}, "other.example"}})
        REQUIRE(*config.available(other) == 0);
    REQUIRE(*config.available({"DB.example", 9142, "db.example"}) == 1);
    REQUIRE(tsc::attempt::make(config, {"", 1}).status() == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::attempt::make(config, {std::string(256, 'h'), 1}).status() == TSC_TOO_LARGE);
}

static void facts_decide_what_becomes_of_the_session() {
    using tsc::facts;
    constexpr facts done = facts::sent | facts::handshake_done;
    const struct {
        facts seen;
        std::size_t left;
    } cases[] = {{facts::none, 2},
                 {facts::sent, 0},
                 {facts::sent | facts::timed_out, 0},
                 {facts::sent | facts::cancelled, 1},
                 {done, 1},
                 {done | facts::resumed, 1},
                 {done | facts::alert, 0}};
    for (const auto &it : cases) {
        auto cache = *tsc::cache::make();
        auto config = *tsc::config::make(cache);
        bring(config, {"a", "b"});
        auto attempt = *tsc::attempt::make(config, NODE);
        REQUIRE(attempt.offer() && attempt.failed(it.seen) == TSC_OK);
        REQUIRE(*config.available(NODE) == it.left);
        REQUIRE(*attempt.reason() ==
                (it.seen == facts::none ? tsc::reason::not_sent : tsc::reason::failed));
    }
    // Facts add up.
    facts seen = facts::sent;
    seen |= facts::handshake_done;
    REQUIRE(seen == done);
}

static void an_attempt_says_why_it_did_not_resume() {
    auto told = tsc::reason::none;
    auto cache = *tsc::cache::make({}, [&told](const tsc::event &it) {
        REQUIRE((it.kind() == TSC_EVENT_NOT_OFFERED) == (it.reason() != tsc::reason::none));
        if (it.kind() == TSC_EVENT_NOT_OFFERED)
            told = it.reason();
    });
    auto config = *tsc::config::make(cache);
    const auto reason = [&config](const tsc::endpoint &to) {
        auto attempt = *tsc::attempt::make(config, to);
        (void)attempt.offer();
        return *attempt.reason();
    };
    REQUIRE(reason(NODE) == tsc::reason::nothing_stored && told == tsc::reason::nothing_stored);
    bring(config, {"ticket"});
    REQUIRE(told == tsc::reason::not_asked);
    const tsc::endpoint stricter{"db.example", 9142, {}, {}, "depth 1"};
    REQUIRE(reason(stricter) == tsc::reason::other_verification);
    REQUIRE(told == tsc::reason::other_verification);
    REQUIRE(cache.close() == TSC_OK && reason(NODE) == tsc::reason::cache_off);
}

struct counted {
    explicit counted(int &of) : alive(of) {
        alive++;
    }
    ~counted() {
        alive--;
    }
    int &alive;
};

static void objects_pass_to_the_library_once() {
    int alive = 0;
    {
        auto cache = *tsc::cache::make();
        auto config = *tsc::config::make(cache);
        auto attempt = *tsc::attempt::make(config, NODE);
        auto object = std::make_unique<counted>(alive);
        counted *raw = object.get();
        REQUIRE(attempt.receive(info_of(TLS12), object, 100) == TSC_OK && !object && alive == 1);
        object = std::make_unique<counted>(alive);
        REQUIRE(attempt.receive(info_of(TLS13, 0), object, 100) == TSC_DISCARDED && object);
        REQUIRE(attempt.receive(info_of(TLS12), object, 1u << 30) == TSC_TOO_LARGE && object);
        object = nullptr;
        REQUIRE(attempt.receive(info_of(TLS12), object, 100) == TSC_INVALID_ARGUMENT && alive == 1);
        REQUIRE(attempt.established(false) == TSC_OK);
        auto next = *tsc::attempt::make(config, NODE);
        REQUIRE(next.offer()->object == raw);
    }
    REQUIRE(alive == 0);
}

// As OpenSSL's objects are: freed with the last reference.
struct shared {
    explicit shared(int &of) : alive(of) {}
    counted alive;
    int references = 1;
};
static int up_ref(shared *it) {
    return ++it->references;
}
struct down_ref {
    void operator()(shared *it) const {
        if (--it->references == 0)
            delete it;
    }
};

static void objects_under_keys_belong_to_whoever_got_them() {
    int alive = 0;
    std::unique_ptr<shared, down_ref> kept;
    {
        auto cache = *tsc::cache::make();
        auto take = [&] { return cache.take_object<shared, down_ref, up_ref>("k"); };
        for (auto version : {TLS12, TLS13}) {
            std::unique_ptr<shared, down_ref> object(new shared(alive));
            REQUIRE(cache.put("k", info_of(version, 0), object, 100) ==
                    (version == TLS12 ? TSC_OK : TSC_DISCARDED));
            REQUIRE((object == nullptr) == (version == TLS12));
        }
        REQUIRE(alive == 1 && (*take())->references == 2);
        kept = *take();
        REQUIRE(kept->references == 2 && *cache.available("k") == 1);
        std::unique_ptr<shared, down_ref> ticket(new shared(alive));
        REQUIRE(cache.put("k", info_of(TLS13), ticket, 100) == TSC_OK);
        REQUIRE((*take())->references == 1);
        REQUIRE(alive == 1); // the ticket was the taker's alone
        REQUIRE((*take()).get() == kept.get());
        REQUIRE(*cache.clear_expired() == 0 && cache.clear() == TSC_OK);
        REQUIRE(take().status() == TSC_NOT_FOUND && kept->references == 1);
    }
    kept = nullptr;
    REQUIRE(alive == 0);
}

// ---- Figures and exports ------------------------------------------------------------------------

static void figures_are_passed_on() {
    auto cache = *tsc::cache::make();
    auto config = *tsc::config::make(cache);
    REQUIRE(config.forecast(NODE)->tickets_full == TSC_UNKNOWN);
    bring(config, {"a", "b"});
    REQUIRE(cache.stats()->stored == 2 && config.forecast(NODE)->available == 2);
    auto text = cache.prometheus("cluster=\"a\"");
    REQUIRE(text && text->text().find("tsc_stored_total{cluster=\"a\"} 2\n") != std::string::npos);
    REQUIRE(cache.prometheus()->text().find("tsc_stored_total 2\n") != std::string::npos);
    REQUIRE(cache.prometheus("no labels").status() == TSC_INVALID_ARGUMENT);
}

static void exports_come_back() {
    std::array<std::uint8_t, TSC_EXPORT_KEY> key{};
    key.fill(7);
    auto from = *tsc::cache::make(), to = *tsc::cache::make();
    REQUIRE(from.put("k", info_of(TLS13), "session") == TSC_OK);
    auto sealed = from.export_sessions(key);
    REQUIRE(sealed && sealed->left_out == 0 && *from.available("k") == 0);
    std::vector<std::uint8_t> altered(sealed->data.data(),
                                      sealed->data.data() + sealed->data.size());
    altered.back() ^= 1;
    REQUIRE(to.import_sessions(key, altered).status() == TSC_NOT_AUTHENTIC);
    REQUIRE(to.import_sessions("short", altered).status() == TSC_INVALID_ARGUMENT);
    REQUIRE(*to.import_sessions(key, sealed->data) == 1);
    REQUIRE(to.take("k")->data.text() == "session");

    auto one = *tsc::config::make(from, {"identity"}), same = *tsc::config::make(to, {"identity"});
    bring(one, {"ticket"});
    auto again = one.export_sessions(key);
    REQUIRE(again && *same.import_sessions(key, again->data) == 1 && *same.available(NODE) == 1);
    auto none = *tsc::config::make(from);
    REQUIRE(none.export_sessions(key).status() == TSC_UNSUPPORTED);
}

static void a_config_says_what_its_connections_verify() {
    auto cache = *tsc::cache::make();
    tsc::config_options options{"identity"};
    options.verification = "one name";
    auto one = *tsc::config::make(cache, options), same = *tsc::config::make(cache, options);
    options.verification = "another";
    auto other = *tsc::config::make(cache, options);
    bring(one, {"ticket"});
    REQUIRE(*same.available(NODE) == 1 && *other.available(NODE) == 0);
}

// ---- Events -------------------------------------------------------------------------------------

static void a_listener_is_told() {
    std::vector<std::string> told;
    auto kept = std::make_shared<int>(0);
    std::weak_ptr<int> alive = kept;
    {
        auto cache = *tsc::cache::make({}, [&told, kept](const tsc::event &event) {
            told.push_back(std::to_string(event.kind()) + " " + std::string(event.host()) + ":" +
                           std::to_string(event.port()) + " " + std::string(event.server_name()) +
                           " " + std::string(event.group()) + " " +
                           std::string(event.key().text()) + " " + std::to_string(event.count()));
        });
        kept.reset();
        REQUIRE(cache.put("k", info_of(TLS13), "s") == TSC_OK);
        auto config = *tsc::config::make(cache);
        auto attempt = *tsc::attempt::make(config, NODE);
        REQUIRE(attempt.receive(info_of(TLS13), "s") == TSC_OK &&
                attempt.established(false) == TSC_OK);
        REQUIRE(told == std::vector<std::string>({"1 :0   k 1", "1 db.example:9142 db.example   1",
                                                  "9 db.example:9142 db.example   0"}));
        // It lives as long as anything that could call it.
        cache = {};
        config = {};
        REQUIRE(!alive.expired());
    }
    REQUIRE(alive.expired());
}

static void a_listener_may_use_the_cache() {
    const tsc::cache *inside = nullptr;
    std::uint64_t seen = 0;
    auto cache = *tsc::cache::make({}, [&](const tsc::event &event) {
        if (event.kind() == TSC_EVENT_STORED) {
            seen = inside->stats()->stored;
            REQUIRE(inside->take("k"));
        }
    });
    inside = &cache;
    REQUIRE(cache.put("k", info_of(TLS13), "s") == TSC_OK);
    REQUIRE(seen == 1 && *cache.available("k") == 0);
}

// ---- Waiting ------------------------------------------------------------------------------------

// An attempt that others wait for: of a server that was never seen anything is expected.
struct waiting {
    tsc::cache cache = *tsc::cache::make();
    tsc::config config = *tsc::config::make(cache);
    tsc::attempt first = *tsc::attempt::make(config, NODE),
                 second = *tsc::attempt::make(config, NODE);
    waiting() {
        REQUIRE(first.offer().status() == TSC_NOT_FOUND);
    }
    void come() {
        REQUIRE(first.receive(info_of(TLS13), "ticket") == TSC_OK);
        REQUIRE(first.established(false) == TSC_OK);
    }
};

// Can be moved and not copied, and counts itself and its calls.
struct handler {
    handler(int &of_alive, int &of_calls) : alive(&of_alive), calls(of_calls) {
        ++*alive;
    }
    handler(handler &&from) noexcept
        : alive(std::exchange(from.alive, nullptr)), calls(from.calls) {}
    ~handler() {
        if (alive)
            --*alive;
    }
    void operator()() {
        calls++;
    }
    int *alive;
    int &calls;
};

static void a_handler_is_called_once() {
    waiting it;
    int alive = 0, calls = 0;
    REQUIRE(it.second.wait(1h, handler(alive, calls)) == TSC_WAIT);
    // Waits already: the new handler goes, the old one stays.
    REQUIRE(it.second.wait(1h, handler(alive, calls)) == TSC_WRONG_STATE);
    REQUIRE(alive == 1 && calls == 0);
    it.come();
    REQUIRE(alive == 0 && calls == 1);
    REQUIRE(it.second.wait_end() == TSC_WRONG_STATE);
    REQUIRE(it.second.offer()->data.text() == "ticket");
    REQUIRE(calls == 1);
}

static void nothing_to_wait_for_calls_nobody() {
    auto cache = *tsc::cache::make();
    auto config = *tsc::config::make(cache);
    auto attempt = *tsc::attempt::make(config, NODE);
    int alive = 0, calls = 0;
    REQUIRE(attempt.wait(1h, handler(alive, calls)) == TSC_OK && alive == 0 && calls == 0);
    auto other = *tsc::attempt::make(config, {"other.example", 1});
    REQUIRE(*other.wait_fd(1h) == -1);
}

static void a_handler_that_is_given_up_is_destroyed() {
    int alive = 0, calls = 0;
    const auto gives_up = [&](void (*how)(tsc::attempt &)) {
        waiting it;
        REQUIRE(it.second.wait(1h, handler(alive, calls)) == TSC_WAIT && alive == 1);
        how(it.second);
        REQUIRE(alive == 0 && calls == 0);
        it.come();
        REQUIRE(calls == 0);
    };
    gives_up([](tsc::attempt &attempt) { REQUIRE(attempt.wait_end() == TSC_OK); });
    gives_up([](tsc::attempt &attempt) { REQUIRE(attempt.offer().status() == TSC_NOT_FOUND); });
    gives_up([](tsc::attempt &attempt) { REQUIRE(attempt.failed(tsc::facts::none) == TSC_OK); });
    gives_up([](tsc::attempt &attempt) { REQUIRE(attempt.established(false) == TSC_OK); });
    gives_up([](tsc::attempt &attempt) { attempt = {}; });
    gives_up([](tsc::attempt &attempt) { tsc::attempt gone(std::move(attempt)); });
}

static void a_handler_may_end_its_attempt() {
    waiting it;
    bool called = false;
    REQUIRE(it.second.wait(1h, [&] {
        REQUIRE(it.second.offer()->data.text() == "ticket");
        it.second = {};
        called = true;
    }) == TSC_WAIT);
    it.come();
    REQUIRE(called);
    REQUIRE(*it.config.available(NODE) == 1); // it goes back
}

static void closing_ends_a_wait() {
    waiting it;
    int alive = 0, calls = 0;
    REQUIRE(it.second.wait(1h, handler(alive, calls)) == TSC_WAIT);
    REQUIRE(it.cache.close() == TSC_OK);
    REQUIRE(alive == 0 && calls == 1);
}

static void a_wait_may_be_by_descriptor_or_by_blocking() {
    waiting it;
    auto fd = it.second.wait_fd(1h);
    REQUIRE(fd && *fd >= 0);
    auto third = *tsc::attempt::make(it.config, NODE);
    REQUIRE(third.wait(-5s) == TSC_OK && third.wait(0ms) == TSC_OK);
    it.come();
    REQUIRE(it.second.offer()->data.text() == "ticket");
    REQUIRE(it.second.wait(std::chrono::hours(1 << 20)) == TSC_WRONG_STATE);
}

#ifdef TSC_EXCEPTIONS_
static void what_is_thrown_is_contained() {
    int told = 0;
    auto cache = *tsc::cache::make({}, [&](const tsc::event &) {
        told++;
        throw 1;
    });
    REQUIRE(cache.put("k", info_of(TLS13), "s") == TSC_OK && told == 1);
    REQUIRE(cache.take("k") && told == 2);

    waiting it;
    auto kept = std::make_shared<int>(0);
    REQUIRE(it.second.wait(1h, [kept] { throw kept; }) == TSC_WAIT && kept.use_count() == 2);
    it.come();
    REQUIRE(kept.use_count() == 1);
    REQUIRE(it.second.offer());

    // What cannot be copied into place is thrown to who asked, and nothing waits.
    struct stubborn {
        stubborn() = default;
        stubborn(const stubborn &) {
            throw 2;
        }
        void operator()() const {}
    } const own;
    auto third = *tsc::attempt::make(it.config, NODE);
    bool thrown = false;
    try {
        (void)third.wait(1h, own);
    } catch (int) {
        thrown = true;
    }
    REQUIRE(thrown && third.wait_end() == TSC_WRONG_STATE);
}
#endif

int main() {
    RUN(views_show_what_they_are_made_of);
    RUN(statuses_have_a_text);
    RUN(results_hold_a_value_or_a_status);
    RUN(an_empty_handle_answers);
    RUN(a_moved_from_handle_is_empty);
    RUN(handles_end_in_any_order);
    RUN(a_closed_cache_answers);
    RUN(sessions_under_the_callers_own_keys_come_back);
    RUN(an_attempt_offers_what_another_received);
    RUN(facts_decide_what_becomes_of_the_session);
    RUN(an_attempt_says_why_it_did_not_resume);
    RUN(objects_pass_to_the_library_once);
    RUN(objects_under_keys_belong_to_whoever_got_them);
    RUN(figures_are_passed_on);
    RUN(exports_come_back);
    RUN(a_config_says_what_its_connections_verify);
    RUN(a_listener_is_told);
    RUN(a_listener_may_use_the_cache);
    RUN(a_handler_is_called_once);
    RUN(nothing_to_wait_for_calls_nobody);
    RUN(a_handler_that_is_given_up_is_destroyed);
    RUN(a_handler_may_end_its_attempt);
    RUN(closing_ends_a_wait);
    RUN(a_wait_may_be_by_descriptor_or_by_blocking);
#ifdef TSC_EXCEPTIONS_
    RUN(what_is_thrown_is_contained);
#endif
}
