// libmosquittopp against Mosquitto: a client library that lets its SSL_CTX be reached and never
// shows its SSLs, and the broker that it is made for. What resumes says a tap on the line.

#include <algorithm>
#include <atomic>
#include <csignal>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <mosquittopp.h>

#include "tap.hpp"
#include "test.hpp"
#include "tsc_openssl.hpp"

extern "C" {
#include "peer.h"
}

static constexpr int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};

// What a client connects with.
struct manner {
    int tls_version = TLS1_3_VERSION;
    const char *identity = ""; // see tsc::config_options
    const char *trusts = nullptr;
    bool begins = true; // false: the cache is not asked
};

// A driver: what an application on libmosquittopp adds is in the constructor and in on_connect.
class client : mosqpp::mosquittopp {
  public:
    client(const tsc::cache &cache, int port, const manner &how = {})
        : ctx_(how.trusts ? SSL_CTX_new(TLS_client_method()) : client_context()), port_(port),
          begins_(how.begins) {
        // The library wants a file too, and adds it to what the SSL_CTX trusts.
        const char *trusted = how.trusts ? how.trusts : peer_server_certificate();
        REQUIRE(SSL_CTX_load_verify_locations(ctx_, trusted, nullptr) == 1);
        REQUIRE(tls_set(trusted) == MOSQ_ERR_SUCCESS);
        SSL_CTX_set_verify(ctx_, SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_min_proto_version(ctx_, how.tls_version);
        SSL_CTX_set_max_proto_version(ctx_, how.tls_version);
        REQUIRE(tsc::ssl::attach(ctx_, cache, {how.identity}) == TSC_OK);
        REQUIRE(tsc::ssl::on_start(ctx_, [this](SSL *ssl) { begin(ssl); }) == TSC_OK);
        REQUIRE(opts_set(MOSQ_OPT_SSL_CTX, ctx_) == MOSQ_ERR_SUCCESS);
    }
    client(const client &) = delete;
    ~client() override {
        SSL_CTX_free(ctx_);
    }

    // A whole connection: TCP, TLS, the broker's own hello, and goodbye. Gives whether it came to
    // that.
    bool visit() {
        welcome_.reset();
        // Some losses of a connection the library only notices by the keepalive, of which 5 seconds
        // are the shortest.
        if (connect("localhost", port_, 5) != MOSQ_ERR_SUCCESS)
            return false;
        while (!welcome_)
            if (loop() != MOSQ_ERR_SUCCESS)
                return false;
        (void)disconnect();
        while (loop() == MOSQ_ERR_SUCCESS)
            ;
        return *welcome_;
    }
    // From the next visit on.
    void log_in(const char *user, const char *password) {
        REQUIRE(username_pw_set(user, password) == MOSQ_ERR_SUCCESS);
    }
    [[nodiscard]] std::size_t available() const {
        SSL *like = SSL_new(ctx_); // as the library's are
        verify(like);
        const std::size_t count = *tsc::ssl::available(like, node());
        SSL_free(like);
        return count;
    }

  private:
    [[nodiscard]] tsc::endpoint node() const {
        return {"localhost", static_cast<std::uint32_t>(port_)};
    }
    // In place of the library's own way, which rejects everybody in its versions 2.0.11 to 2.0.14
    // where the SSL_CTX is not its own (mosquitto#2463).
    static void verify(SSL *ssl) {
        SSL_set_verify(ssl, SSL_VERIFY_PEER,
                       [](int verified, X509_STORE_CTX *) { return verified; });
        SSL_set1_host(ssl, "localhost");
    }
    void begin(SSL *ssl) {
        verify(ssl);
        if (!begins_)
            return;
        ssl_ = ssl;
        REQUIRE(tsc::ssl::begin(ssl, node()) == TSC_OK);
    }
    void on_connect(int refused) override {
        welcome_ = refused == 0;
        if (ssl_ && refused == 0)
            REQUIRE(tsc::ssl::established(ssl_) == TSC_OK);
        else if (ssl_)
            REQUIRE(tsc::ssl::failed(ssl_) == TSC_OK);
    }

    SSL_CTX *const ctx_;
    const int port_;
    const bool begins_;
    SSL *ssl_ = nullptr; // the library's; it is there whenever on_connect is called
    std::optional<bool> welcome_;
};

// A broker behind a tap.
struct node {
    explicit node(bool other_certificate = false)
        : broker(peer_mosquitto(other_certificate)), line(peer_port(broker)) {}
    node(const node &) = delete;
    ~node() {
        peer_free(broker);
    }
    peer *broker;
    tap line;
};

// Whether each resumed, of all connections that there were.
static std::vector<bool> resumed(const std::vector<tapped> &links) {
    std::vector<bool> out;
    for (const tapped &link : links) {
        REQUIRE(link.answered);
        out.push_back(link.resumed);
    }
    return out;
}

static void reconnects_resume() {
    for (const int tls_version : VERSIONS) {
        node it;
        auto cache = *tsc::cache::make();
        client one(cache, it.line.port(), {tls_version});
        for (int round = 0; round < 5; round++)
            REQUIRE(one.visit());
        const auto links = it.line.links();
        REQUIRE(resumed(links) == std::vector<bool>({false, true, true, true, true}));
        for (const tapped &link : links)
            REQUIRE(link.tls_version == tls_version && link.offered.empty() == !link.resumed);
        // As the statistics say.
        REQUIRE(cache.stats()->resumed == 4 && cache.stats()->established == 5);
    }
}

// What the tap would say if nothing resumed.
static void without_the_cache_nothing_resumes() {
    for (const int tls_version : VERSIONS) {
        node it;
        auto cache = *tsc::cache::make();
        client one(cache, it.line.port(), {tls_version, "", nullptr, false});
        REQUIRE(one.visit() && one.visit());
        REQUIRE(resumed(it.line.links()) == std::vector<bool>({false, false}));
    }
}

// TLS stands and the tickets have come, but the broker does not let the client in.
static void a_client_that_is_not_let_in_publishes_nothing() {
    for (const int tls_version : VERSIONS) {
        node it;
        auto cache = *tsc::cache::make();
        client one(cache, it.line.port(), {tls_version});
        one.log_in("user", "wrong");
        REQUIRE(!one.visit() && !one.visit() && one.available() == 0);
        REQUIRE(cache.stats()->failed == 2 && cache.stats()->established == 0);
        one.log_in("user", "secret");
        REQUIRE(one.visit() && one.visit());
        REQUIRE(resumed(it.line.links()) == std::vector<bool>({false, false, false, true}));
    }
}

// In TLS 1.3 no ticket is offered twice.
static void a_ticket_is_offered_once() {
    node it;
    auto cache = *tsc::cache::make();
    client one(cache, it.line.port());
    std::set<std::string> tickets;
    for (int round = 0; round < 10; round++)
        REQUIRE(one.visit());
    for (const tapped &link : it.line.links())
        tickets.insert(link.offered);
    REQUIRE(tickets.size() == 10); // nine, and none
}

static void another_port_or_certificate_has_its_own_sessions() {
    for (const int tls_version : VERSIONS) {
        node a, b(true);
        auto cache = *tsc::cache::make();
        client to_a(cache, a.line.port(), {tls_version, "clients"});
        client to_b(cache, b.line.port(), {tls_version, "clients"});
        for (int round = 0; round < 4; round++)
            REQUIRE(to_a.visit() && to_b.visit());
        // Nothing is offered to who has sent nothing, and all that is offered is taken.
        std::set<std::string> offered[2];
        for (node *each : {&a, &b}) {
            const auto links = each->line.links();
            REQUIRE(resumed(links) == std::vector<bool>({false, true, true, true}));
            REQUIRE(links[0].offered.empty());
            for (const tapped &link : links)
                offered[each == &b].insert(link.offered);
        }
        offered[0].erase("");
        for (const std::string &ticket : offered[0])
            REQUIRE(offered[1].count(ticket) == 0);
    }
}

// In the place of a node there comes one with another certificate. What is offered to it, unknown
// to the client, it cannot read; it shows its certificate, and nothing of the former node is
// offered any more.
static void another_certificate_in_the_same_place_costs_one_refusal() {
    for (const int tls_version : VERSIONS) {
        node it, next(true);
        auto cache = *tsc::cache::make();
        client one(cache, it.line.port(), {tls_version});
        REQUIRE(one.visit() && one.visit());
        it.line.lead_to(peer_port(next.broker));
        REQUIRE(one.visit() && one.visit() && one.visit());
        const auto links = it.line.links();
        REQUIRE(resumed(links) == std::vector<bool>({false, true, false, true, true}));
        REQUIRE(cache.stats()->refused == 1);
    }
}

// A session is not a way around the check of a certificate: whose SSL_CTX does not trust the node
// has no use of the session of one that does.
static void a_session_is_no_way_around_the_check_of_a_certificate() {
    for (const int tls_version : VERSIONS) {
        node it;
        auto cache = *tsc::cache::make();
        client trusting(cache, it.line.port(), {tls_version});
        client wary(cache, it.line.port(), {tls_version, "", peer_short_certificate()});
        REQUIRE(trusting.visit() && trusting.available() > 0 && wary.available() == 0);
        REQUIRE(!wary.visit() && trusting.visit());
        const auto links = it.line.links();
        REQUIRE(resumed(links) == std::vector<bool>({false, false, true}));
        REQUIRE(links[1].offered.empty());
        REQUIRE(cache.stats()->failed == 1 && cache.stats()->unfinished == 0);
    }
}

// ---- A broker that is killed under load ---------------------------------------------------------

struct load {
    std::size_t visits, errors;
    std::vector<tapped> links;
    // How many did without a session, before the outage and after it, for others to be compared
    // with. Some that fail in the outage are what the breaker looks into, and how many these are
    // depends on the machine.
    std::uint64_t withheld_before, withheld_after;
};

// Clients visit, each on its thread, while the broker is killed and started again. Who does not see
// the outage has no error.
static load under_load(const tsc::cache &cache, const manner &how) {
    constexpr int CLIENTS = 4;
    node it;
    std::atomic<std::size_t> visits{0}, errors{0};
    std::atomic<bool> enough{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < CLIENTS; i++)
        threads.emplace_back([&] {
            client one(cache, it.line.port(), how);
            while (!enough) {
                const int before = it.line.outages();
                const bool done = one.visit();
                REQUIRE(done || before % 2 == 1 || before != it.line.outages());
                errors += !done;
                visits++;
            }
        });
    const auto many = [&](std::size_t more) {
        const std::size_t before = visits;
        while (visits < before + more)
            std::this_thread::yield();
    };
    many(10 * CLIENTS);
    const auto before = cache.stats()->withheld;
    it.line.outage_begins();
    peer_halt(it.broker); // SIGKILL
    many(2 * CLIENTS);
    peer_resume(it.broker);
    const auto in_outage = cache.stats()->withheld;
    it.line.outage_ends();
    many(10 * CLIENTS);
    enough = true;
    for (auto &thread : threads)
        thread.join();
    const auto after = cache.stats()->withheld - in_outage;
    return {visits, errors, it.line.links(), before, after};
}

static void a_killed_broker_costs_full_handshakes_only() {
    for (const int tls_version : VERSIONS) {
        auto cache = *tsc::cache::make();
        // What an outage costs anyhow.
        REQUIRE(under_load(cache, {tls_version, "clients", nullptr, false}).errors > 0);
        REQUIRE(cache.stats()->established == 0);

        const load it = under_load(cache, {tls_version, "clients"});
        REQUIRE(it.errors > 0);
        const auto count = [&it](auto &&which) {
            return static_cast<std::uint64_t>(
                std::count_if(it.links.begin(), it.links.end(), which));
        };
        REQUIRE(count([](const tapped &link) { return !link.answered && !link.troubled; }) == 0);
        // Before and after it most of those that may do so resume, and not without full handshakes.
        for (const int outages : {0, 2}) {
            const auto withheld = outages ? it.withheld_after : it.withheld_before;
            const auto all = count([=](const tapped &link) { return link.outages == outages; });
            const auto resumed =
                count([=](const tapped &link) { return link.outages == outages && link.resumed; });
            REQUIRE(2 * resumed > all - std::min(all, withheld) && resumed < all);
        }
        // What the new broker cannot read it refuses, and the cache hears of it, unless the outage
        // was sooner.
        const auto refused = [](const tapped &link) {
            return link.answered && !link.offered.empty() && !link.resumed;
        };
        const auto heard = cache.stats()->refused;
        REQUIRE(heard <= count(refused));
        REQUIRE(heard >=
                count([&](const tapped &link) { return refused(link) && !link.troubled; }));
        std::fprintf(stderr,
                     "TLS %s: %zu visits, %zu errors in the outage, %zu connections, of which %zu "
                     "resumed; %zu offers refused\n",
                     tls_version == TLS1_2_VERSION ? "1.2" : "1.3", it.visits, it.errors,
                     it.links.size(),
                     static_cast<std::size_t>(count([](const tapped &l) { return l.resumed; })),
                     static_cast<std::size_t>(heard));
    }
}

static void the_example_resumes() {
    node it;
    const std::string command = "build/demo/mqtt_client localhost " +
                                std::to_string(it.line.port()) + " " + peer_server_certificate();
    FILE *said = popen(command.c_str(), "r");
    char text[64] = "";
    REQUIRE(said && std::fread(text, 1, sizeof text - 1, said) > 0 && pclose(said) == 0);
    REQUIRE(std::string(text) == "full\nresumed\n");
    REQUIRE(resumed(it.line.links()) == std::vector<bool>({false, true}));
}

int main() {
    REQUIRE(peer_setup(nullptr) == 0);
    REQUIRE(mosqpp::lib_init() == MOSQ_ERR_SUCCESS);
    RUN(reconnects_resume);
    RUN(without_the_cache_nothing_resumes);
    RUN(a_client_that_is_not_let_in_publishes_nothing);
    RUN(a_ticket_is_offered_once);
    RUN(another_port_or_certificate_has_its_own_sessions);
    RUN(another_certificate_in_the_same_place_costs_one_refusal);
    RUN(a_session_is_no_way_around_the_check_of_a_certificate);
    RUN(the_example_resumes);
    RUN(a_killed_broker_costs_full_handshakes_only);
    REQUIRE(mosqpp::lib_cleanup() == MOSQ_ERR_SUCCESS);
    return peer_teardown(nullptr);
}
