// tsc::sharing: caches that share through a tsc-agent, as processes do; what resumes says the
// server.

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.hpp"
#include "tsc_openssl.hpp"

extern "C" {
#include "peer.h"
}

using namespace std::chrono_literals;

// No test waits that long, however busy the machine is.
static constexpr auto LONG = 60s;

// As `make agent` builds it.
static const char *const PROGRAM = "build/agent/release/tsc-agent";

// A tsc-agent with a folder of its own.
class agent {
  public:
    agent() {
        REQUIRE(mkdtemp(folder_) != nullptr);
        socket = std::string(folder_) + "/agent";
        const char *arguments[] = {PROGRAM, "--socket", socket.c_str(), nullptr};
        REQUIRE(posix_spawn(&process_, PROGRAM, nullptr, nullptr,
                            const_cast<char *const *>(arguments), environ) == 0);
        const std::string status =
            std::string(PROGRAM) + " status --socket " + socket + " >/dev/null 2>&1";
        while (std::system(status.c_str()) != 0)
            usleep(1000);
    }
    agent(const agent &) = delete;
    ~agent() {
        kill(process_, SIGKILL);
        waitpid(process_, nullptr, 0);
        unlink(socket.c_str());
        rmdir(folder_);
    }
    std::string socket;

  private:
    char folder_[32] = "/tmp/tsc-cpp-XXXXXX";
    pid_t process_ = -1;
};

// What a process has: a cache, and an SSL_CTX that is attached to it.
class process {
  public:
    process(const tsc::options &how, peer *server, std::string_view identity = "one")
        : cache_(*tsc::cache::make(how)), ctx_(client_context()), server_(server) {
        tsc::config_options options;
        options.identity = identity;
        REQUIRE(tsc::ssl::attach(ctx_, cache_, options, TSC_SSL_SERIALISE) == TSC_OK);
    }
    process(const process &) = delete;
    ~process() {
        SSL_CTX_free(ctx_);
        require_books(cache_);
    }

    // One connection, which waits by descriptor if it may. Says whether it resumed.
    [[nodiscard]] bool resumes(std::chrono::milliseconds wait = 0ms) const {
        SSL *ssl = client_ssl(ctx_, client_dial(peer_port(server_)));
        char answer[256];
        REQUIRE(tsc::ssl::prepare(
                    ssl, {"localhost", static_cast<std::uint32_t>(peer_port(server_))}) == TSC_OK);
        const int over = wait > 0ms ? *tsc::ssl::wait_fd(ssl, wait) : -1;
        if (over >= 0) {
            pollfd it{over, POLLIN, 0};
            REQUIRE(poll(&it, 1, -1) == 1);
        }
        REQUIRE(tsc::ssl::offer(ssl) == TSC_OK && SSL_connect(ssl) == 1);
        REQUIRE(client_ask(ssl, "/", answer, sizeof answer) > 0);
        REQUIRE(tsc::ssl::established(ssl) == TSC_OK);
        client_close(ssl);
        return std::strstr(answer, "Reused") != nullptr;
    }
    [[nodiscard]] tsc_stats stats() const {
        return *cache_.stats();
    }

  private:
    tsc::cache cache_;
    SSL_CTX *ctx_;
    peer *server_;
};

// A server, and an agent.
struct fixture {
    fixture() {
        peer_manner manner{};
        manner.tls_version = TLS1_3_VERSION;
        manner.tickets = 2;
        server = peer_own(manner);
    }
    fixture(const fixture &) = delete;
    ~fixture() {
        peer_free(server);
    }
    [[nodiscard]] tsc::options patient() const {
        return tsc::sharing({}, sharer.socket, LONG);
    }
    agent sharer;
    peer *server;
};

static void caches_share_by_identity() {
    const fixture it;
    const process first(it.patient(), it.server), same(it.patient(), it.server),
        other(it.patient(), it.server, "two");
    REQUIRE(!first.resumes() && same.resumes() && !other.resumes());
    REQUIRE(first.stats().agent_stored == 2 && same.stats().agent_leased == 1);
}

static void an_event_loop_waits_by_descriptor() {
    const fixture it;
    const process first(it.patient(), it.server);
    REQUIRE(!first.resumes());
    const process loop(tsc::sharing({}, it.sharer.socket, 0us), it.server);
    REQUIRE(loop.resumes(LONG));
    // Without a wait the agent is not asked.
    REQUIRE(!process(tsc::sharing({}, it.sharer.socket, 0us), it.server).resumes());
}

static void the_environment_names_the_socket() {
    const fixture it;
    REQUIRE(setenv("TSC_AGENT", it.sharer.socket.c_str(), 1) == 0);
    const auto how = tsc::sharing({}, {}, LONG);
    const process first(how, it.server), second(how, it.server);
    REQUIRE(!first.resumes() && second.resumes());
    REQUIRE(unsetenv("TSC_AGENT") == 0);
}

static void what_is_not_said_is_the_librarys_default() {
    tsc::options how{};
    how.ttl_seconds = 7;
    how.flags = TSC_REUSE_WHEN_DRY;
    how = tsc::sharing(how);
    REQUIRE(how.flags == (TSC_REUSE_WHEN_DRY | TSC_SHARE) && how.ttl_seconds == 7);
    REQUIRE(how.agent == nullptr && how.agent_len == 0 && how.agent_budget_us == 0);
    REQUIRE(tsc::sharing({}, "/a", 3ms).agent_budget_us == 3000);
    REQUIRE(tsc::sharing({}, "/a", 0ms).agent_budget_us == TSC_AGENT_NO_WAIT);
}

int main() {
    REQUIRE(peer_setup(nullptr) == 0);
    RUN(what_is_not_said_is_the_librarys_default);
    RUN(caches_share_by_identity);
    RUN(an_event_loop_waits_by_descriptor);
    RUN(the_environment_names_the_socket);
    return peer_teardown(nullptr);
}
