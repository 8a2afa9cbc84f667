// tests/vectors/attempt.txt, in C++.

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "test.hpp"
#include "tsc.hpp"

using words = std::vector<std::string>;

static std::uint64_t now = 0;

static std::string name_of(tsc::status status) {
    static const char *const names[] = {
        "ok",        "not_found", "invalid_argument", "too_small",   "too_large",
        "no_memory", "closed",    "discarded",        "wrong_state", "unsupported"};
    REQUIRE(status < std::size(names));
    return names[status];
}

static std::string_view text_of(const std::string &word) {
    return word == "-" ? std::string_view() : std::string_view(word);
}

static tsc::endpoint endpoint_of(const words &of, std::size_t at) {
    tsc::endpoint to{text_of(of[at]), static_cast<std::uint32_t>(std::stoul(of[at + 1])),
                     text_of(of[at + 2]), text_of(of[at + 3])};
    if (of.size() > at + 4)
        to.verification = tsc::bytes(text_of(of[at + 4]));
    return to;
}

static tsc::facts facts_of(const std::string &word) {
    static const std::map<std::string, tsc::facts> names{
        {"none", tsc::facts::none},
        {"sent", tsc::facts::sent},
        {"handshake_done", tsc::facts::handshake_done},
        {"resumed", tsc::facts::resumed},
        {"timed_out", tsc::facts::timed_out},
        {"cancelled", tsc::facts::cancelled},
        {"alert", tsc::facts::alert}};
    tsc::facts facts = tsc::facts::none;
    std::istringstream in(word);
    for (std::string name; std::getline(in, name, '|');) {
        REQUIRE(names.count(name) == 1);
        facts |= names.at(name);
    }
    return facts;
}

static std::string reason_of(const tsc::attempt &attempt) {
    static const std::map<std::uint32_t, std::string> names{
        {TSC_REASON_NONE, "none"},
        {TSC_REASON_NOTHING_STORED, "nothing_stored"},
        {TSC_REASON_EXPIRED, "expired"},
        {TSC_REASON_EVICTED, "evicted"},
        {TSC_REASON_TAKEN, "taken"},
        {TSC_REASON_REFUSED, "refused"},
        {TSC_REASON_WITHHELD, "withheld"},
        {TSC_REASON_WAITED_IN_VAIN, "waited_in_vain"},
        {TSC_REASON_NOT_SENT, "not_sent"},
        {TSC_REASON_NOT_ASKED, "not_asked"},
        {TSC_REASON_CACHE_OFF, "cache_off"},
        {TSC_REASON_FAILED, "failed"},
        {TSC_REASON_OTHER_VERIFICATION, "other_verification"},
        {TSC_REASON_AGENT_AWAY, "agent_away"}};
    const auto info = attempt.info();
    REQUIRE(info && names.count(info->reason) == 1);
    return names.at(info->reason);
}

struct world {
    explicit world(tsc::options options = {}) {
        options.clock = [](void *) { return now; };
        cache = *tsc::cache::make(options);
    }

    // Does what a line says, and gives what is answered; nothing, for what has no answer.
    std::string run(const words &of) {
        const std::string &verb = of[0];
        if (verb == "clock") {
            now += std::stoul(of[1]) * 1000;
            return "";
        }
        if (verb == "clear") {
            REQUIRE(cache.clear() == TSC_OK);
            return "";
        }
        if (verb == "close") {
            REQUIRE(cache.close() == TSC_OK);
            return "";
        }
        if (verb == "config") {
            tsc::config_options options;
            if (of.size() > 2)
                options.identity = tsc::bytes(of[2]);
            configs[of[1]] = *tsc::config::make(cache, options);
            return "";
        }
        if (verb == "available")
            return std::to_string(*configs[of[1]].available(endpoint_of(of, 2)));
        if (verb == "free") {
            attempts.erase(of[1]);
            return "";
        }
        tsc::attempt &attempt = attempts[of[1]];
        if (verb == "attempt") {
            auto made = tsc::attempt::make(configs[of[2]], endpoint_of(of, 3));
            attempt = *std::move(made);
            return name_of(made.status());
        }
        if (verb == "receive") {
            tsc::session_info info{};
            info.tls_version = of[2] == "13" ? 0x0304 : 0x0303;
            info.lifetime_seconds = static_cast<std::uint32_t>(std::stoul(of[3]));
            return name_of(attempt.receive(info, of[4]));
        }
        if (verb == "offer") {
            auto session = attempt.offer();
            return session ? std::string(session->data.text()) : name_of(session.status());
        }
        if (verb == "wait") {
            REQUIRE(attempt.wait(std::chrono::milliseconds(std::stoul(of[2]))) == TSC_OK);
            return "";
        }
        if (verb == "withdraw")
            return name_of(attempt.withdraw());
        if (verb == "sent")
            return name_of(attempt.sent());
        if (verb == "established")
            return name_of(attempt.established(of[2] == "resumed"));
        if (verb == "reason")
            return reason_of(attempt);
        REQUIRE(verb == "failed");
        return name_of(attempt.failed(facts_of(of[2])));
    }

    tsc::cache cache;
    std::map<std::string, tsc::config> configs;
    std::map<std::string, tsc::attempt> attempts;
};

static void every_language_is_answered_the_same() {
    std::ifstream file("tests/vectors/attempt.txt");
    REQUIRE(file.is_open());
    std::unique_ptr<world> current;
    int number = 0, answers = 0;
    bool skips = false;
    for (std::string line; std::getline(file, line);) {
        number++;
        if (line.empty() || line[0] == '#')
            continue;
        std::istringstream in(line);
        words of;
        std::string expected, word;
        while (in >> word)
            if (word == "=")
                in >> expected;
            else
                of.push_back(word);
        if (of[0] == "case") {
            current = std::make_unique<world>();
            skips = false;
            continue;
        }
        if (of[0] == "share") {
#ifdef __linux__
            current = std::make_unique<world>(tsc::sharing({}, "/dev/null/agent"));
#else
            skips = true;
#endif
            continue;
        }
        if (skips)
            continue;
        const std::string answer = current->run(of);
        if (answer != expected)
            std::fprintf(stderr, "attempt.txt:%d: %s: %s\n", number, line.c_str(), answer.c_str());
        REQUIRE(answer == expected);
        answers += !expected.empty();
    }
    REQUIRE(answers > 100);
}

int main() {
    RUN(every_language_is_answered_the_same);
}
