// tsc.hpp with rustls, over real connections: what resumes says the server. For the build with
// rustls in it.

#include <unistd.h>

#include "test.hpp"
#include "tsc.hpp"

extern "C" {
#include "peer.h"
#include "rustls_client.h"
}

// A configuration of rustls, made without libtsc.
struct trusting {
    explicit trusting(const char *certificate) : it(rustls_client_trusting(certificate)) {
        REQUIRE(it);
    }
    trusting(const trusting &) = delete;
    ~trusting() {
        rustls_client_forget(it);
    }
    const rustls_client_config *it;
};

// One whole connection with an attempt's configuration or, should it have none, with one's own.
// Gives whether it resumed, says the server.
static bool resumes(tsc::attempt attempt, const trusting &own, const peer *server) {
    const auto given = attempt.rustls_config();
    const int fd = client_dial(peer_port(server));
    REQUIRE(fd >= 0);
    const int resumed = rustls_client_visit(given ? *given : own.it, fd);
    close(fd);
    rustls_client_forget(*given); // null is well
    REQUIRE(resumed >= 0);
    (void)attempt.established(resumed == 1);
    return resumed == 1;
}

static tsc::endpoint at(const peer *server) {
    return {"localhost", static_cast<std::uint32_t>(peer_port(server))};
}

static peer *started(int tls_version) {
    peer_manner manner{};
    manner.tls_version = tls_version;
    manner.tickets = 2;
    return peer_own(manner);
}

static void reconnects_resume() {
    for (const int tls_version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        peer *server = started(tls_version), *other = started(tls_version);
        auto cache = *tsc::cache::make();
        const trusting rustls(peer_server_certificate());
        auto config = *tsc::config::attach(cache, rustls.it);
        const auto visit = [&](const peer *to) {
            return resumes(*tsc::attempt::make(config, at(to)), rustls, to);
        };
        REQUIRE(!visit(server) && visit(server) && visit(server));
        REQUIRE(!visit(other) && visit(other)); // another port has its own
        REQUIRE(*config.available(at(server)) > 0 && cache.stats()->resumed == 3);
        // A server that has other keys refuses, once.
        peer_halt(server);
        peer_resume(server);
        REQUIRE(!visit(server) && visit(server) && cache.stats()->refused == 1);
        peer_free(server);
        peer_free(other);
    }
}

static void a_closed_cache_costs_full_handshakes() {
    peer *server = started(TLS1_3_VERSION);
    auto cache = *tsc::cache::make();
    const trusting rustls(peer_server_certificate());
    auto config = *tsc::config::attach(cache, rustls.it);
    REQUIRE(!resumes(*tsc::attempt::make(config, at(server)), rustls, server));
    REQUIRE(cache.close() == TSC_OK);
    REQUIRE(!resumes(*tsc::attempt::make(config, at(server)), rustls, server));
    REQUIRE(!resumes({}, rustls, server)); // and so does an empty handle
    REQUIRE(tsc::config::attach(cache, rustls.it).status() == TSC_CLOSED);
    peer_free(server);
}

static void misuse_is_answered_with_a_status() {
    auto cache = *tsc::cache::make();
    const trusting rustls(peer_server_certificate());
    REQUIRE(tsc::has_rustls());
    REQUIRE(tsc::config::attach(cache, nullptr).status() == TSC_INVALID_ARGUMENT);
    REQUIRE(tsc::config::attach({}, rustls.it).status() == TSC_INVALID_ARGUMENT);
    // An attempt of a config that knows of no rustls has no configuration to give.
    auto plain = *tsc::config::make(cache);
    auto attempt = *tsc::attempt::make(plain, {"localhost", 1});
    REQUIRE(!attempt.rustls_config() && *attempt.rustls_config() == nullptr);
}

int main() {
    REQUIRE(peer_setup(nullptr) == 0);
    RUN(reconnects_resume);
    RUN(a_closed_cache_costs_full_handshakes);
    RUN(misuse_is_answered_with_a_status);
    return peer_teardown(nullptr);
}
