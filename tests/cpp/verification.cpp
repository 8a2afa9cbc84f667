// What an SSL verifies counts in C++ as in C: the cases of tests/c/verification.h, by
// tsc::ssl::begin and by a starter.

#include <csignal>

#include "test.hpp"
#include "tsc_openssl.hpp"

extern "C" {
#include "verification.h"
}

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
constexpr bool names_read = true;
#else
constexpr bool names_read = false;
#endif

struct fixture {
    explicit fixture(const peer *of, const tsc::config_options &how = {})
        : cache(*tsc::cache::make()), ctx(client_context()), server(of) {
        REQUIRE(tsc::ssl::attach(ctx, cache, how) == TSC_OK);
    }
    fixture(const fixture &) = delete;
    ~fixture() {
        SSL_CTX_free(ctx);
        require_books(cache);
    }
    tsc::cache cache;
    SSL_CTX *ctx;
    const peer *server;
};

struct result {
    tsc::status begun = TSC_OK;
    bool connected = false, resumed = false, offered = false;
    tsc::reason why = tsc::reason::none;
};

// late: changed after it was begun, by a starter before its handshake starts.
static result connects(fixture &it, bool by_starter, void (*change)(SSL *) = nullptr,
                       bool late = false) {
    result got;
    const auto port = peer_port(it.server);
    // What the dialled host is, and nothing that is set on the SSL.
    const tsc::endpoint to{"localhost", static_cast<std::uint32_t>(port)};
    SSL *ssl = client_ssl(it.ctx, client_dial(port));
    if (change && !late)
        change(ssl);
    const auto begin = [&](SSL *of) {
        got.begun = tsc::ssl::begin(of, to);
        if (change && late)
            change(of);
    };
    if (by_starter)
        REQUIRE(tsc::ssl::on_start(it.ctx, begin) == TSC_OK);
    else
        begin(ssl);
    got.connected = SSL_connect(ssl) == 1;
    if (got.connected) {
        char answer[256];
        got.resumed = SSL_session_reused(ssl);
        REQUIRE(client_ask(ssl, "/", answer, sizeof answer) > 0);
        REQUIRE((tsc::ssl::established(ssl) == TSC_OK) == (got.begun == TSC_OK));
    } else {
        (void)tsc::ssl::failed(ssl);
    }
    ERR_clear_error();
    if (got.begun == TSC_OK) {
        got.offered = tsc::ssl::info(ssl)->offered != 0;
        got.why = *tsc::ssl::reason(ssl);
    } else {
        REQUIRE(tsc::ssl::reason(ssl).status() == TSC_INVALID_ARGUMENT);
    }
    client_close(ssl);
    return got;
}

static bool resumes(fixture &it, bool by_starter, void (*change)(SSL *) = nullptr) {
    const result got = connects(it, by_starter, change);
    REQUIRE(got.begun == TSC_OK && got.connected);
    return got.resumed;
}

static void run(const verification_case &of, const peer *server, bool by_starter) {
    fixture it(server);
    std::fprintf(stderr, "%s\n", of.what);
    REQUIRE(!resumes(it, by_starter) && resumes(it, by_starter));
    const result changed = connects(it, by_starter, of.change);
    const bool looked = of.names && !names_read;
    REQUIRE(changed.begun == (of.outcome == CASE_REFUSED ? TSC_UNSUPPORTED : TSC_OK));
    REQUIRE(!changed.resumed || looked);
    REQUIRE(!changed.offered || !names_read);
    REQUIRE(of.outcome != CASE_FULL || changed.connected);
    REQUIRE(of.outcome != CASE_REJECTED || !changed.connected);
    if (of.outcome == CASE_FULL && !looked && of.change != case_another_sni)
        REQUIRE(changed.why == tsc::reason::other_verification);
    REQUIRE(resumes(it, by_starter));
    const result late = connects(it, by_starter, of.change, true);
    REQUIRE(late.begun == TSC_OK && (!late.resumed || looked));
    REQUIRE(late.why == tsc::reason::other_verification || looked);
    REQUIRE(resumes(it, by_starter));
}

static void run(const store_case &of, const peer *server, bool by_starter) {
    fixture it(server);
    std::fprintf(stderr, "%s of the store\n", of.what);
    REQUIRE(!resumes(it, by_starter) && resumes(it, by_starter));
    of.change(SSL_CTX_get_cert_store(it.ctx));
    const result changed = connects(it, by_starter);
    REQUIRE(changed.begun == (of.outcome == CASE_REFUSED ? TSC_UNSUPPORTED : TSC_OK));
    REQUIRE(!changed.resumed || (of.names && !names_read));
    REQUIRE(!changed.offered || !names_read);
    REQUIRE(of.outcome != CASE_FULL || (changed.connected && resumes(it, by_starter)));
    REQUIRE(of.outcome != CASE_REJECTED || !changed.connected);
}

static void each_property_keeps_apart() {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
        for (const bool by_starter : {false, true}) {
            peer_manner manner{};
            manner.tls_version = version;
            manner.tickets = 2;
            peer *server = peer_own(manner);
            for (const auto &it : verification_cases)
                run(it, server, by_starter);
            for (const auto &it : store_cases)
                run(it, server, by_starter);
            peer_free(server);
        }
}

// What an SSL would find, before it connects.
static void an_ssl_says_what_it_would_find() {
    peer_manner manner{};
    manner.tls_version = TLS1_2_VERSION;
    peer *server = peer_own(manner);
    {
        fixture it(server);
        const tsc::endpoint to{"localhost", static_cast<std::uint32_t>(peer_port(server))};
        REQUIRE(!resumes(it, false, case_depth));
        SSL *ssl = client_ssl(it.ctx, -1);
        REQUIRE(*tsc::ssl::available(ssl, to) == 0 && *tsc::ssl::available(it.ctx, to) == 0);
        case_depth(ssl);
        REQUIRE(*tsc::ssl::available(ssl, to) == 1);
        REQUIRE(tsc::ssl::forecast(ssl, to)->available == 1);
        case_dane(ssl);
        REQUIRE(tsc::ssl::available(ssl, to).status() == TSC_UNSUPPORTED);
        REQUIRE(tsc::ssl::forecast(ssl, to).status() == TSC_UNSUPPORTED);
        SSL_free(ssl);
    }
    peer_free(server);
}

int main() {
    REQUIRE(peer_setup(nullptr) == 0);
    RUN(each_property_keeps_apart);
    RUN(an_ssl_says_what_it_would_find);
    return peer_teardown(nullptr);
}
