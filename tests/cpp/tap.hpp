// tap.hpp: the tap between clients and a server, which is a process of its own (tests/tap/tap.c).

#ifndef TAP_HPP
#define TAP_HPP

#include <atomic>
#include <cstdio>
#include <string>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.hpp"

// What a connection showed.
struct tapped {
    std::string offered; // a hash of the ticket that the client offered; empty: none
    int tls_version = 0;
    bool answered = false; // the server has said which handshake it will be
    bool resumed = false;  // it is an abbreviated one
    int outages = 0;       // tap::outages when it began
    bool troubled = false; // it saw an outage: see outage_begins
};

class tap {
  public:
    explicit tap(int upstream) {
        std::string number = std::to_string(upstream);
        char program[] = "build/test/tap";
        char *arguments[] = {program, &number[0], nullptr};
        // Closed in whatever else is started meanwhile, for the tap ends with its input.
        int in[2], out[2];
        REQUIRE(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
        posix_spawn_file_actions_t files;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_adddup2(&files, in[0], STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
        REQUIRE(posix_spawn(&process_, program, &files, nullptr, arguments, environ) == 0);
        posix_spawn_file_actions_destroy(&files);
        close(in[0]);
        close(out[1]);
        orders_ = fdopen(in[1], "w");
        answers_ = fdopen(out[0], "r");
        port_ = std::stoi(line());
    }
    tap(const tap &) = delete;
    ~tap() {
        std::fclose(orders_);
        std::fclose(answers_);
        waitpid(process_, nullptr, 0);
    }

    [[nodiscard]] int port() const {
        return port_;
    }
    // Where further connections go.
    void lead_to(int upstream) {
        order("lead " + std::to_string(upstream));
    }
    // Between these two there may be no server, and connections are refused as without one.
    void outage_begins() {
        outages_++;
        order("refuse");
    }
    void outage_ends() {
        order("listen");
        outages_++;
    }
    // How often either was called: odd in an outage. The one that may be called by any thread.
    [[nodiscard]] int outages() const {
        return outages_;
    }
    // The connections, in the order in which they began, when all have ended.
    std::vector<tapped> links() {
        std::vector<tapped> links;
        for (const std::string &of : order("finish")) {
            char offered[8], identity[17], answer[8], tls[4];
            int began = 0, ended = 0;
            REQUIRE(std::sscanf(of.c_str(),
                                "offered=%7s identity=%16s answer=%7s tls=%3s began=%d ended=%d",
                                offered, identity, answer, tls, &began, &ended) == 6);
            tapped link;
            link.offered = std::string(identity) == "-" ? "" : identity;
            link.answered = std::string(answer) != "-";
            link.resumed = std::string(answer) == "resumed";
            link.tls_version = link.answered ? 0x0301 + (tls[2] - '0') : 0;
            link.outages = began;
            link.troubled = began % 2 == 1 || began != ended;
            links.push_back(link);
        }
        return links;
    }

  private:
    // Has the tap do something, and gives the lines of its answer.
    std::vector<std::string> order(const std::string &what) {
        std::vector<std::string> answer;
        REQUIRE(std::fprintf(orders_, "%s\n", what.c_str()) > 0 && std::fflush(orders_) == 0);
        for (std::string next = line(); next != "ok"; next = line())
            answer.push_back(next);
        return answer;
    }
    std::string line() {
        char text[128];
        REQUIRE(std::fgets(text, sizeof text, answers_));
        std::string it = text;
        it.pop_back();
        return it;
    }

    pid_t process_ = 0;
    FILE *orders_ = nullptr, *answers_ = nullptr;
    std::atomic<int> outages_{0};
    int port_ = 0;
};

#endif
