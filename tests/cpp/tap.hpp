// tap.hpp: a tap on the line between clients and a server, which passes on what it reads and takes
// notes of what is said in the clear: what a ClientHello offers, and whether the server takes it.

#ifndef TAP_HPP
#define TAP_HPP

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.hpp"

// What a connection showed.
struct tapped {
    std::string ticket; // that the client offered; empty: none
    int tls_version = 0;
    bool answered = false; // the server has said which handshake it will be
    bool resumed = false;  // it is an abbreviated one
    int outages = 0;       // tap::outages when it began
    bool troubled = false; // it saw an outage: see outage_begins
};

namespace wire {

// Takes numbers and vectors off the front of bytes. Past their end all are empty.
struct reader {
    std::string_view rest;

    std::size_t number(std::size_t size) {
        std::size_t value = 0;
        for (const char byte : bytes(size))
            value = value << 8 | static_cast<std::uint8_t>(byte);
        return value;
    }
    std::string_view bytes(std::size_t size) {
        const bool whole = size <= rest.size();
        const auto taken = whole ? rest.substr(0, size) : std::string_view();
        rest.remove_prefix(whole ? size : rest.size());
        return taken;
    }
    std::string_view vector(std::size_t length_size) {
        return bytes(number(length_size));
    }
};

enum : std::size_t { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22 };        // records
enum : std::size_t { HELLO_CLIENT = 1, HELLO_SERVER = 2, TICKET = 4 }; // messages
enum : std::size_t { SESSION_TICKET = 35, PRE_SHARED_KEY = 41, SUPPORTED_VERSIONS = 43 };

// The messages that a stream begins with, before anything is encrypted. Ciphered: those have ended.
struct opening {
    std::string messages;
    bool ciphered = false;

    explicit opening(std::string_view stream) {
        reader records{stream};
        while (records.rest.size() >= 5) {
            const auto type = records.number(1);
            records.number(2);
            const auto size = records.number(2);
            ciphered = type != HANDSHAKE;
            if (ciphered || records.rest.size() < size)
                break;
            messages += records.bytes(size);
        }
    }
};

// A first message, if all of it is there: without its type and length, with what follows it.
inline bool first(reader &messages, std::size_t type, reader &body) {
    reader ahead = messages;
    if (ahead.number(1) != type)
        return false;
    const auto size = ahead.number(3);
    if (size == 0 || ahead.rest.size() < size)
        return false;
    body.rest = ahead.bytes(size);
    messages = ahead;
    return true;
}

// Gives whether the client has said all that matters here.
inline bool heard_client(std::string_view stream, tapped &of) {
    const opening from(stream);
    reader messages{from.messages}, hello{};
    if (!first(messages, HELLO_CLIENT, hello))
        return false;
    hello.bytes(2 + 32);
    hello.vector(1); // session id
    hello.vector(2); // cipher suites
    hello.vector(1); // compression
    for (reader extensions{hello.vector(2)}; !extensions.rest.empty();) {
        const auto type = extensions.number(2);
        reader body{extensions.vector(2)};
        if (type == PRE_SHARED_KEY)
            of.ticket = reader{body.vector(2)}.vector(2);
        else if (type == SESSION_TICKET && !body.rest.empty())
            of.ticket = body.rest;
    }
    return true;
}

// Gives whether the server has.
inline bool heard_server(std::string_view stream, tapped &of) {
    const opening from(stream);
    reader messages{from.messages}, hello{};
    if (!first(messages, HELLO_SERVER, hello))
        return false;
    of.tls_version = static_cast<int>(hello.number(2));
    hello.bytes(32);
    hello.vector(1);
    hello.bytes(2 + 1);
    bool key = false;
    for (reader extensions{hello.vector(2)}; !extensions.rest.empty();) {
        const auto type = extensions.number(2);
        reader body{extensions.vector(2)};
        if (type == SUPPORTED_VERSIONS)
            of.tls_version = static_cast<int>(body.number(2));
        key |= type == PRE_SHARED_KEY;
    }
    if (of.tls_version == 0x0304) {
        of.resumed = key;
        return true;
    }
    // In a full handshake a certificate comes next; in an abbreviated one, at most a new ticket.
    if (messages.rest.empty() && !from.ciphered)
        return false;
    of.resumed = messages.rest.empty() || messages.number(1) == TICKET;
    return true;
}

} // namespace wire

class tap {
  public:
    explicit tap(int upstream) : upstream_(upstream) {
        begin();
    }
    tap(const tap &) = delete;
    ~tap() {
        if (outages_ % 2 == 0)
            end();
        for (auto &thread : passing_)
            thread.join();
    }

    [[nodiscard]] int port() const {
        return port_;
    }
    // Where further connections go.
    void lead_to(int upstream) {
        const std::lock_guard<std::mutex> guard(lock_);
        upstream_ = upstream;
    }
    // Between these two there may be no server, and connections are refused as without one.
    void outage_begins() {
        outages_++;
        end();
    }
    void outage_ends() {
        begin();
        outages_++;
    }
    // How often either was called: odd in an outage.
    [[nodiscard]] int outages() const {
        return outages_;
    }
    // The connections that have ended, in this order, when all have.
    std::vector<tapped> links() {
        std::unique_lock<std::mutex> guard(lock_);
        REQUIRE(ended_.wait_for(guard, std::chrono::seconds(60),
                                [&] { return links_.size() == passing_.size(); }));
        return links_;
    }
    // Waits until `enough` says so of those that have ended.
    template <class F> void until(F &&enough) {
        std::unique_lock<std::mutex> guard(lock_);
        REQUIRE(ended_.wait_for(guard, std::chrono::seconds(60), [&] { return enough(links_); }));
    }

  private:
    static sockaddr_in loopback(int port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        return address;
    }

    void begin() {
        auto address = loopback(port_);
        socklen_t size = sizeof address;
        auto *raw = reinterpret_cast<sockaddr *>(&address);
        const int yes = 1;
        listener_ = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        REQUIRE(bind(listener_, raw, size) == 0 && listen(listener_, 64) == 0);
        REQUIRE(getsockname(listener_, raw, &size) == 0);
        port_ = ntohs(address.sin_port);
        accepting_ = std::thread([this] {
            for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;) {
                const std::lock_guard<std::mutex> guard(lock_);
                passing_.emplace_back([this, fd] { pass(fd); });
            }
        });
    }
    void end() {
        shutdown(listener_, SHUT_RDWR);
        accepting_.join();
        close(listener_);
    }

    void pass(int client) {
        std::unique_lock<std::mutex> guard(lock_);
        const auto address = loopback(upstream_);
        tapped noted;
        noted.outages = outages_;
        guard.unlock();

        const int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
        for (const int fd : {client, server})
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (connect(server, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0)
            copy(client, server, noted);

        guard.lock();
        noted.troubled = noted.outages % 2 == 1 || noted.outages != outages_;
        links_.push_back(noted);
        guard.unlock();
        ended_.notify_all();
        close(server);
        close(client);
    }

    // Until one of them closes.
    static void copy(int client, int server, tapped &noted) {
        std::string said, answered;
        bool heard = false;
        pollfd ends[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
        while (poll(ends, 2, -1) > 0)
            for (const int from : {0, 1}) {
                char bytes[16384];
                if (ends[from].revents == 0)
                    continue;
                const auto size = recv(ends[from].fd, bytes, sizeof bytes, 0);
                if (size <= 0)
                    return;
                const std::string_view fresh(bytes, static_cast<std::size_t>(size));
                if (from == 0 && !heard)
                    heard = wire::heard_client(said += fresh, noted);
                if (from == 1 && !noted.answered)
                    noted.answered = wire::heard_server(answered += fresh, noted);
                if (send(ends[1 - from].fd, fresh.data(), fresh.size(), MSG_NOSIGNAL) != size)
                    return;
            }
    }

    std::mutex lock_;
    std::condition_variable ended_;
    std::vector<tapped> links_;
    std::vector<std::thread> passing_;
    std::atomic<int> outages_{0};
    int upstream_;
    int listener_ = -1;
    int port_ = 0;
    std::thread accepting_;
};

#endif
