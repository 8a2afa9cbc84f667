// tsc_openssl.hpp over real connections: what resumes says the server.

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include <poll.h>

#include "test.hpp"
#include "tsc_openssl.hpp"

extern "C" {
#include "peer.h"
}

using namespace std::chrono_literals;

// A server, and a client's SSL_CTX attached to a cache.
struct fixture {
    explicit fixture(peer_manner manner, std::uint32_t flags = 0, tsc::listener told = nullptr)
        : cache(*tsc::cache::make({}, std::move(told))), ctx(client_context()),
          server(peer_own(manner)) {
        REQUIRE(tsc::ssl::attach(ctx, cache, {}, flags) == TSC_OK);
    }
    fixture(const fixture &) = delete;
    ~fixture() {
        SSL_CTX_free(ctx);
        require_books(cache);
        peer_free(server);
    }
    [[nodiscard]] tsc::endpoint node() const {
        return {"localhost", static_cast<std::uint32_t>(peer_port(server))};
    }
    tsc::cache cache;
    SSL_CTX *ctx;
    peer *server;
};

static peer_manner manner(int tls_version, int tickets = 2) {
    peer_manner it{};
    it.tls_version = tls_version;
    it.tickets = tickets;
    return it;
}

// A connection that stands and is to be begun.
struct connection {
    explicit connection(fixture &to) : ssl(client_ssl(to.ctx, client_dial(peer_port(to.server)))) {}
    connection(const connection &) = delete;
    ~connection() {
        client_close(ssl);
    }
    // Handshake, login, verdict. Gives whether it resumed, of which both ends say the same.
    bool resumes() {
        char answer[256];
        REQUIRE(SSL_connect(ssl) == 1);
        REQUIRE(client_ask(ssl, "/", answer, sizeof answer) > 0);
        REQUIRE(tsc::ssl::established(ssl) == TSC_OK);
        const bool resumed = std::strstr(answer, "Reused") != nullptr;
        REQUIRE(resumed == (SSL_session_reused(ssl) != 0));
        REQUIRE(tsc::ssl::info(ssl)->resumed == (resumed ? 1u : 0u));
        return resumed;
    }
    SSL *ssl;
};

static bool resumes(fixture &to) {
    connection it(to);
    REQUIRE(tsc::ssl::begin(it.ssl, to.node()) == TSC_OK);
    return it.resumes();
}

static void reconnects_resume() {
    for (const int tls_version : {TLS1_2_VERSION, TLS1_3_VERSION})
        for (const std::uint32_t flags : {0u, TSC_SSL_SERIALISE}) {
            fixture it(manner(tls_version), flags);
            REQUIRE(!resumes(it) && *tsc::ssl::available(it.ctx, it.node()) > 0);
            REQUIRE(resumes(it) && resumes(it));
            REQUIRE(it.cache.stats()->resumed == 2);
            REQUIRE(tsc::ssl::forecast(it.ctx, it.node())->tickets_full >= 1);
        }
}

static void an_endpoint_has_its_own_sessions() {
    fixture it(manner(TLS1_3_VERSION));
    REQUIRE(!resumes(it));
    // The same server by another host, port, group or server name is another endpoint.
    const auto port = it.node().port;
    for (const tsc::endpoint &other :
         {tsc::endpoint{"127.0.0.1", port}, tsc::endpoint{"localhost", port + 1},
          tsc::endpoint{"localhost", port, "other.example"},
          tsc::endpoint{"localhost", port, {}, "group"}}) {
        connection to(it);
        REQUIRE(tsc::ssl::begin(to.ssl, other) == TSC_OK && tsc::ssl::info(to.ssl)->offered == 0);
        REQUIRE(!to.resumes());
    }
    REQUIRE(resumes(it));
}

static void a_failed_login_publishes_nothing() {
    fixture it(manner(TLS1_3_VERSION));
    {
        connection to(it);
        char answer[256];
        REQUIRE(tsc::ssl::begin(to.ssl, it.node()) == TSC_OK && SSL_connect(to.ssl) == 1);
        REQUIRE(client_ask(to.ssl, "/denied", answer, sizeof answer) > 0);
        REQUIRE(tsc::ssl::failed(to.ssl) == TSC_OK);
        REQUIRE(tsc::ssl::established(to.ssl) == TSC_WRONG_STATE);
    }
    REQUIRE(*tsc::ssl::available(it.ctx, it.node()) == 0 && !resumes(it));
}

static void everything_ends_in_any_order() {
    for (const bool cache_first : {true, false}) {
        auto alive = std::make_shared<int>(0);
        std::weak_ptr<int> listening = alive;
        {
            fixture it(manner(TLS1_3_VERSION), 0, [alive](const tsc::event &) { ++*alive; });
            alive.reset();
            REQUIRE(!resumes(it));
            connection to(it);
            REQUIRE(tsc::ssl::begin(to.ssl, it.node()) == TSC_OK);
            if (cache_first)
                it.cache = {};
            SSL_CTX_free(std::exchange(it.ctx, nullptr)); // to.ssl keeps it
            // What the SSL_CTX can still call is there.
            REQUIRE(!listening.expired());
            (void)to.resumes();
        }
        REQUIRE(listening.expired());
    }
}

static void a_closed_cache_costs_full_handshakes() {
    fixture it(manner(TLS1_3_VERSION));
    REQUIRE(!resumes(it) && it.cache.close() == TSC_OK);
    REQUIRE(!resumes(it) && !resumes(it));
    SSL_CTX *other = client_context();
    REQUIRE(tsc::ssl::attach(other, it.cache) == TSC_CLOSED);
    SSL_CTX_free(other);
}

static void a_wait_by_descriptor_ends_with_the_ticket() {
    fixture it(manner(TLS1_3_VERSION));
    connection first(it), second(it);
    REQUIRE(tsc::ssl::prepare(first.ssl, it.node()) == TSC_OK);
    REQUIRE(*tsc::ssl::wait_fd(first.ssl, 1h) == -1 && tsc::ssl::offer(first.ssl) == TSC_OK);
    REQUIRE(tsc::ssl::prepare(second.ssl, it.node()) == TSC_OK);
    pollfd polled{*tsc::ssl::wait_fd(second.ssl, 1h), POLLIN, 0};
    REQUIRE(polled.fd >= 0 && poll(&polled, 1, 0) == 0);
    REQUIRE(!first.resumes());
    REQUIRE(poll(&polled, 1, 20000) == 1);
    REQUIRE(tsc::ssl::offer(second.ssl) == TSC_OK && second.resumes());
}

// Line by line what tsc-probe gives to copy (tools/probe/src/settings.rs).
static void the_settings_of_tsc_probe_resume() {
    tsc::options options{};
    options.ttl_seconds = 3600;
    auto cache = *tsc::cache::make(options);
    fixture it(manner(TLS1_3_VERSION));
    SSL_CTX *ctx = client_context();
    REQUIRE(tsc::ssl::attach(ctx, cache) == TSC_OK);
    const auto [host, port] = std::pair(std::string("localhost"), it.node().port);
    for (bool resumes : {false, true}) {
        SSL *ssl = client_ssl(ctx, client_dial(static_cast<int>(port)));
        tsc::ssl::begin_wait(ssl, {host, port}, std::chrono::milliseconds(2000));
        char answer[256];
        REQUIRE(SSL_connect(ssl) == 1 && client_ask(ssl, "/", answer, sizeof answer) > 0);
        REQUIRE(tsc::ssl::established(ssl) == TSC_OK && SSL_session_reused(ssl) == resumes);
        client_close(ssl);
    }
    SSL_CTX_free(ctx);
    require_books(cache);
}

static void a_wait_that_blocks_ends_with_the_ticket() {
    fixture it(manner(TLS1_3_VERSION));
    connection first(it), second(it);
    REQUIRE(tsc::ssl::begin(first.ssl, it.node()) == TSC_OK);
    bool resumed = false;
    std::thread waits([&] {
        REQUIRE(tsc::ssl::begin_wait(second.ssl, it.node(), 20s) == TSC_OK);
        resumed = second.resumes();
    });
    while (tsc::ssl::forecast(it.ctx, it.node())->waiting == 0)
        std::this_thread::yield();
    REQUIRE(!first.resumes());
    waits.join();
    REQUIRE(resumed);
}

// What is no session costs a full handshake, and nothing is left in OpenSSL's queue of errors.
static void a_session_that_does_not_parse_costs_a_full_handshake() {
    fixture it(manner(TLS1_3_VERSION));
    const auto endpoint = it.node().raw();
    tsc::session_info info{};
    info.tls_version = TLS1_3_VERSION;
    info.lifetime_seconds = 100;
    tsc_attempt *attempt = nullptr;
    REQUIRE(tsc_attempt_new(tsc_ssl_config(it.ctx), &endpoint, sizeof endpoint, &attempt) ==
            TSC_OK);
    const tsc::bytes garbage("no session");
    REQUIRE(tsc_attempt_receive(attempt, &info, sizeof info, garbage.data(), garbage.size()) ==
            TSC_OK);
    REQUIRE(tsc_attempt_established(attempt, 0) == TSC_OK);
    tsc_attempt_free(attempt);
    connection to(it);
    REQUIRE(*tsc::ssl::available(it.ctx, it.node()) == 1);
    REQUIRE(tsc::ssl::begin(to.ssl, it.node()) == TSC_OK && ERR_peek_error() == 0);
    REQUIRE(SSL_get_session(to.ssl) == nullptr && !to.resumes() && resumes(it));
}

// As a client library has it that makes the SSL itself.
static void a_starter_begins_each_handshake() {
    fixture it(manner(TLS1_3_VERSION));
    auto kept = std::make_shared<int>(0);
    const auto counting = [kept, &it](SSL *ssl) {
        ++*kept;
        REQUIRE(tsc::ssl::begin(ssl, it.node()) == TSC_OK);
    };
    const auto hidden = [&it] { return connection(it).resumes(); };
    REQUIRE(tsc::ssl::on_start(it.ctx, counting) == TSC_OK);
    REQUIRE(!hidden() && hidden() && *kept == 2);
    // Another takes its place, and none that of the other.
    const auto uses = kept.use_count();
    REQUIRE(tsc::ssl::on_start(it.ctx, [&](SSL *ssl) { counting(ssl); }) == TSC_OK);
    REQUIRE(kept.use_count() == uses - 1 && hidden() && *kept == 3);
    REQUIRE(tsc::ssl::on_start(it.ctx, nullptr) == TSC_OK);
    connection to(it);
    REQUIRE(SSL_connect(to.ssl) == 1 && tsc_ssl_attempt(to.ssl) == nullptr && *kept == 3);
    // It is gone with the SSL_CTX.
    SSL_CTX *other = client_context();
    REQUIRE(tsc::ssl::on_start(other, counting) == TSC_WRONG_STATE);
    REQUIRE(tsc::ssl::attach(other, it.cache) == TSC_OK);
    REQUIRE(tsc::ssl::on_start(other, counting) == TSC_OK && kept.use_count() == uses);
    SSL_CTX_free(other);
    REQUIRE(kept.use_count() == uses - 1);
    REQUIRE(tsc::ssl::on_start(nullptr, counting) == TSC_INVALID_ARGUMENT);
}

// One that is for a single handshake, with what it holds.
static void a_starter_may_end_itself() {
    fixture it(manner(TLS1_2_VERSION));
    REQUIRE(!resumes(it));
    const auto held = std::make_shared<std::string>("a name that is too long to be kept in place");
    REQUIRE(tsc::ssl::on_start(it.ctx, [held, &it](SSL *ssl) {
                REQUIRE(tsc::ssl::on_start(it.ctx, nullptr) == TSC_OK);
                REQUIRE(held.use_count() == 2 && held->size() == 43);
                REQUIRE(tsc::ssl::begin(ssl, it.node()) == TSC_OK);
            }) == TSC_OK);
    REQUIRE(connection(it).resumes() && held.use_count() == 1);
    connection after(it);
    REQUIRE(SSL_connect(after.ssl) == 1 && tsc_ssl_attempt(after.ssl) == nullptr);
}

// A handshake on another thread may be in the one that is replaced, or about to call it.
static void starters_are_replaced_while_they_run() {
    fixture it(manner(TLS1_3_VERSION));
    const int enough = std::getenv("TSC_TEST_SLOW") ? 300 : 3000;
    std::atomic<int> calls{0};
    const auto begin_another = [&] {
        const auto held = std::make_shared<const std::string>(40, 'x');
        REQUIRE(tsc::ssl::on_start(it.ctx, [held, &calls](SSL *) {
                    REQUIRE(held->size() == 40 && held->find_first_not_of('x') == held->npos);
                    calls++;
                }) == TSC_OK);
    };
    begin_another();
    const auto in_thread = [&](auto work) {
        return std::thread([&calls, enough, work] {
            while (calls < enough)
                work();
        });
    };
    const auto start = [&it] {
        SSL *ssl = SSL_new(it.ctx);
        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_connect(ssl);
        SSL_free(ssl);
        ERR_clear_error();
    };
    std::thread threads[] = {in_thread(start), in_thread(start), in_thread(begin_another),
                             in_thread(begin_another)};
    for (auto &thread : threads)
        thread.join();
}

// What a callable holds may call on_start when it goes.
static void a_starter_that_goes_may_set_another() {
    fixture it(manner(TLS1_3_VERSION));
    int calls = 0;
    {
        const std::shared_ptr<void> last(nullptr, [&](void *) {
            REQUIRE(tsc::ssl::on_start(it.ctx, [&calls](SSL *) { calls++; }) == TSC_OK);
        });
        REQUIRE(tsc::ssl::on_start(it.ctx, [last](SSL *) {}) == TSC_OK);
    }
    REQUIRE(tsc::ssl::on_start(it.ctx, nullptr) == TSC_OK);
    connection to(it);
    REQUIRE(SSL_connect(to.ssl) == 1 && calls == 1);
}

#ifdef TSC_EXCEPTIONS_
static void a_starter_that_throws_costs_nothing() {
    fixture it(manner(TLS1_3_VERSION));
    REQUIRE(!resumes(it));
    REQUIRE(tsc::ssl::on_start(it.ctx, [&](SSL *ssl) {
                tsc::ssl::begin(ssl, it.node());
                throw 1;
            }) == TSC_OK);
    REQUIRE(connection(it).resumes());
    REQUIRE(tsc::ssl::on_start(it.ctx, [](SSL *) { throw 2; }) == TSC_OK);
    connection to(it);
    REQUIRE(SSL_connect(to.ssl) == 1 && !SSL_session_reused(to.ssl));
}
#endif

static void misuse_is_answered_with_a_status() {
    auto cache = *tsc::cache::make();
    SSL_CTX *ctx = client_context();
    SSL *ssl = client_ssl(ctx, -1);
    REQUIRE(tsc::ssl::begin(ssl, {"localhost", 1}) == TSC_WRONG_STATE); // not attached
    REQUIRE(tsc::ssl::established(ssl) == TSC_WRONG_STATE);
    REQUIRE(tsc::ssl::failed(ssl) == TSC_WRONG_STATE && tsc::ssl::offer(ssl) == TSC_WRONG_STATE);
    REQUIRE(tsc::ssl::wait_fd(ssl, 1s).status() == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::ssl::info(ssl).status() == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::ssl::available(ctx, {"localhost", 1}).status() == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::ssl::attach(ctx, tsc::cache()) == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::ssl::attach(nullptr, cache) == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::ssl::attach(ctx, cache, {}, 1u << 31) == TSC_UNSUPPORTED);
    REQUIRE(tsc::ssl::attach(ctx, cache, {std::string(300, 'i')}) == TSC_TOO_LARGE);
    REQUIRE(tsc::ssl::attach(ctx, cache) == TSC_OK);
    REQUIRE(tsc::ssl::attach(ctx, cache) == TSC_WRONG_STATE);
    REQUIRE(tsc::ssl::begin(ssl, {"", 1}) == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::ssl::begin(ssl, {"localhost", 65536}) == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::ssl::begin(nullptr, {"localhost", 1}) == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::ssl::begin_wait(nullptr, {"localhost", 1}, 1s) == TSC_INVALID_ARGUMENT);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

// An attachment that failed may be tried again with a listener.
static void attaching_again_after_a_failure_succeeds() {
    auto heard = std::make_shared<int>(0);
    auto cache = *tsc::cache::make({}, [heard](const tsc::event &) {});
    SSL_CTX *ctx = client_context();
    REQUIRE(tsc::ssl::attach(ctx, cache, {}, 1u << 31) == TSC_UNSUPPORTED);
    REQUIRE(tsc::ssl::attach(ctx, cache) == TSC_OK);
    SSL_CTX_free(ctx);
    cache = {};
    REQUIRE(heard.use_count() == 1);
}

int main() {
    REQUIRE(peer_setup(nullptr) == 0);
    RUN(reconnects_resume);
    RUN(an_endpoint_has_its_own_sessions);
    RUN(a_failed_login_publishes_nothing);
    RUN(everything_ends_in_any_order);
    RUN(a_closed_cache_costs_full_handshakes);
    RUN(a_wait_by_descriptor_ends_with_the_ticket);
    RUN(the_settings_of_tsc_probe_resume);
    RUN(a_wait_that_blocks_ends_with_the_ticket);
    RUN(a_session_that_does_not_parse_costs_a_full_handshake);
    RUN(a_starter_begins_each_handshake);
    RUN(a_starter_may_end_itself);
    RUN(starters_are_replaced_while_they_run);
    RUN(a_starter_that_goes_may_set_another);
#ifdef TSC_EXCEPTIONS_
    RUN(a_starter_that_throws_costs_nothing);
#endif
    RUN(misuse_is_answered_with_a_status);
    RUN(attaching_again_after_a_failure_succeeds);
    return peer_teardown(nullptr);
}
