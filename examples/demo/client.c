/* The demo's client: connects again and again with each TLS stack and TLS version, in turns without
   and with the cache, and prints what that costs. The environment says where to:

       SERVER       host:port
       SERVER_NAME  what the server's certificate is checked against; the host if not set
       CAFILE       PEM file with the trust roots; the system's if not set
       CONNECTIONS  how many, each way, per row of the table

   --echo: the server answers with what it is told (server.c does), and every connection asks it
   once. Without, any server will do: a connection then only waits for its tickets.

   Exits with 0 if every connection that could resume did, 1 if not, 2 if it was called wrongly. */

#include "demo.h"

#include "../tcp.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

/* Connections made without the cache before it is the turn of as many with it: so what else the
   machine does falls on both. */
enum { TURN = 10 };

/* How long a TLS 1.3 ticket may take after the handshake. */
enum { TICKET_WAIT_MS = 1000 };

char demo_error[256];

struct demo {
    struct target target;
    struct addrinfo *addresses;
    size_t connections;
    bool echo;
    bool progress; /* whether somebody watches */
};

/* What connections cost, in nanoseconds each. */
struct series {
    uint64_t *cpu, *wall;
    size_t count;
};

/* One row of the table, twice: [0] without the cache, [1] with it. */
struct row {
    const struct tls_stack *stack;
    uint16_t version;
    tsc_cache *caches[2];
    struct tls_config *configs[2];
    struct series series[2]; /* of full handshakes without, of resumed ones with the cache */
};

static uint64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *or_exit(void *memory) {
    if (memory != NULL)
        return memory;
    fprintf(stderr, "demo: out of memory\n");
    exit(2);
}

static tsc_stats stats_of(const tsc_cache *cache) {
    tsc_stats stats = {0};
    tsc_stats_get(cache, &stats, sizeof stats);
    return stats;
}

/* How many sessions a cache was given, whatever it did with them. */
static uint64_t arrived(const tsc_cache *cache) {
    tsc_stats s = stats_of(cache);
    return s.stored + s.discarded_lifetime + s.discarded_too_large + s.discarded_disabled;
}

/* Says something and waits until it comes back. In TLS 1.3 the tickets come before it. */
static bool ask(const struct tls_stack *stack, struct tls *tls) {
    static const char question[] = "How was the handshake?\n";
    const int length = sizeof question - 1;
    char answer[sizeof question];
    if (!stack->write(tls, question, sizeof question - 1))
        return false;
    for (int have = 0; have < length;) {
        int n = stack->read(tls, answer + have, (size_t)(length - have));
        if (n <= 0)
            return false;
        have += n;
    }
    return memcmp(answer, question, sizeof question - 1) == 0;
}

/* Reads until a ticket has come, time is up or the server ends the connection. */
static bool await_ticket(const struct tls_stack *stack, struct tls *tls, int fd,
                         const tsc_cache *cache, uint64_t before) {
    char ignored[4096];
    uint64_t deadline = now(CLOCK_MONOTONIC) / 1000000 + TICKET_WAIT_MS;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (arrived(cache) == before) {
        uint64_t ms = now(CLOCK_MONOTONIC) / 1000000;
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        if (ms >= deadline || poll(&polled, 1, (int)(deadline - ms)) <= 0)
            return true;
        if (stack->read(tls, ignored, sizeof ignored) == 0)
            return demo_error[0] == '\0';
    }
    return true;
}

/* Makes one connection, and puts down what it cost if its handshake was of the right kind. */
static enum outcome visit(const struct demo *demo, struct row *row, int with) {
    const struct tls_stack *stack = row->stack;
    demo_error[0] = '\0';
    uint64_t before = arrived(row->caches[with]);
    uint64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
    int fd = tcp_open(demo->addresses);
    if (fd < 0) {
        snprintf(demo_error, sizeof demo_error, "%s", strerror(errno));
        return OUTCOME_UNREACHABLE;
    }
    enum outcome outcome;
    struct tls *tls = stack->open(row->configs[with], &demo->target, fd, &outcome);
    bool ok = outcome <= OUTCOME_RESUMED && (!demo->echo || ask(stack, tls));
    wall = now(CLOCK_MONOTONIC) - wall;
    if (ok && !demo->echo && row->version == 0x0304)
        ok = await_ticket(stack, tls, fd, row->caches[with], before);
    stack->close(tls);
    close(fd);
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (!ok)
        return outcome <= OUTCOME_RESUMED ? OUTCOME_BROKEN : outcome;
    if (outcome == (with ? OUTCOME_RESUMED : OUTCOME_FULL)) {
        struct series *series = &row->series[with];
        series->cpu[series->count] = cpu;
        series->wall[series->count] = wall;
        series->count++;
    }
    return outcome;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double median(uint64_t *values, size_t count) {
    qsort(values, count, sizeof *values, ascending);
    return ((double)values[(count - 1) / 2] + (double)values[count / 2]) / 2;
}

static void show_head(void) {
    printf("                                           "
           "client CPU per connection    wall time per connection\n"
           "stack           TLS  connections  resumed  "
           "   full  resumed   ratio        full  resumed   ratio\n"
           "--------------  ---  -----------  -------  "
           "-------  -------  ------     -------  -------  ------\n");
}

/* Seven columns for a time. */
static void show_time(double ns) {
    if (ns < 9999.5e3)
        printf("%4.0f µs", ns / 1e3);
    else
        printf(ns < 99.95e6 ? "%4.1f ms" : "%4.0f ms", ns / 1e6);
}

static void show_pair(double full, double resumed) {
    show_time(full);
    printf("  ");
    show_time(resumed);
    printf("  %5.1fx", full / resumed);
}

/* What to do about a row that failed. */
static const char *const advice[] = {
    [OUTCOME_NOT_SET_UP] = "CAFILE has to be a PEM file with certificates (default: the system's, "
                           "if it has any).",
    [OUTCOME_UNREACHABLE] = "Is the server running, and is SERVER right?",
    [OUTCOME_NOT_TRUSTED] =
        "CAFILE has to name a PEM file with the CA that signed the server's certificate (default: "
        "the\nsystem's), SERVER_NAME a name that is in the certificate (default: the host).",
    [OUTCOME_BROKEN] = "Is that a TLS port? If the server asks for a client certificate: the demo "
                       "has none.",
    [OUTCOME_NO_SESSIONS] = "Turn on session tickets in the server's TLS settings: without them no "
                            "client can resume.",
    [OUTCOME_NOT_ALL] = "A server refuses what it does not know: where several answer at one "
                        "address, or one was\nrestarted, they have to share their ticket keys.",
};

static void show_progress(const struct demo *demo, const struct row *row, size_t done) {
    if (demo->progress)
        fprintf(stderr, "\r%s, TLS 1.%d: %zu of %zu connections ", row->stack->name(),
                row->version - 0x0301, done, 2 * demo->connections);
}

/* Opens what a row needs. */
static enum outcome open_row(const struct demo *demo, struct row *row) {
    /* "Without the cache" is a cache that is switched off, so that the program is the same. Plain
       OpenSSL resumes nothing by itself either; plain rustls would, by the server's name alone. */
    const uint32_t flags[2] = {TSC_DISABLED, 0};
    for (int with = 0; with < 2; with++) {
        const tsc_options options = {.flags = flags[with]};
        row->series[with].cpu = or_exit(calloc(demo->connections, sizeof(uint64_t)));
        row->series[with].wall = or_exit(calloc(demo->connections, sizeof(uint64_t)));
        tsc_cache_new(&options, sizeof options, &row->caches[with]);
        row->configs[with] =
            row->stack->config_new(or_exit(row->caches[with]), row->version, &demo->target);
        if (row->configs[with] == NULL)
            return OUTCOME_NOT_SET_UP;
    }
    return OUTCOME_FULL;
}

static void close_row(struct row *row) {
    for (int with = 0; with < 2; with++) {
        if (row->configs[with] != NULL)
            row->stack->config_free(row->configs[with]);
        tsc_cache_free(row->caches[with]);
        free(row->series[with].cpu);
        free(row->series[with].wall);
    }
}

/* Makes all connections of a row. Returns how it ended. */
static enum outcome run_row(const struct demo *demo, struct row *row) {
    enum outcome outcome = OUTCOME_FULL;
    /* The first turn is of one connection, which shows whether the server gives sessions at all. */
    for (size_t done = 0, turn = 1; done < demo->connections; done += turn, turn = TURN) {
        if (turn > demo->connections - done)
            turn = demo->connections - done;
        for (int with = 0; with < 2; with++) {
            show_progress(demo, row, 2 * done + (with ? turn : 0));
            for (size_t i = 0; i < turn; i++) {
                outcome = visit(demo, row, with);
                if (outcome > OUTCOME_RESUMED)
                    return outcome;
            }
        }
        tsc_stats stats = stats_of(row->caches[1]);
        if (stats.stored == 0) {
            snprintf(demo_error, sizeof demo_error, "this server issues no %s",
                     stats.discarded_lifetime ? "tickets that may be kept: their lifetime is 0"
                     : row->version == 0x0304 ? "tickets"
                                              : "sessions, neither by id nor by ticket");
            return OUTCOME_NO_SESSIONS;
        }
    }
    return row->series[1].count < demo->connections - 1 ? OUTCOME_NOT_ALL : outcome;
}

static void show_row(const struct demo *demo, struct row *row, enum outcome outcome) {
    if (demo->progress)
        fprintf(stderr, "\r\033[K"); /* back to the start of the line, and clear it */
    printf("%-14s  1.%d  ", row->stack->name(), row->version - 0x0301);
    if (outcome > OUTCOME_RESUMED && outcome != OUTCOME_NOT_ALL) {
        const char *what = outcome == OUTCOME_NOT_SET_UP    ? "not set up: "
                           : outcome == OUTCOME_UNREACHABLE ? "no connection: "
                           : outcome == OUTCOME_NOT_SPOKEN  ? "not spoken by this server: "
                           : outcome == OUTCOME_NOT_TRUSTED ? "certificate not accepted: "
                           : outcome == OUTCOME_BROKEN      ? "failed: "
                                                            : "";
        /* 79 columns are left. */
        printf("%s%.*s\n", what, 79 - (int)strlen(what), demo_error);
    } else {
        const struct series *full = &row->series[0], *resumed = &row->series[1];
        printf("%11zu  %7zu  ", demo->connections, resumed->count);
        if (resumed->count > 0) {
            show_pair(median(full->cpu, full->count), median(resumed->cpu, resumed->count));
            printf("     ");
            show_pair(median(full->wall, full->count), median(resumed->wall, resumed->count));
        }
        printf("\n");
        tsc_stats stats = stats_of(row->caches[1]);
        if (outcome == OUTCOME_NOT_ALL)
            printf("%21snot resumed: %llu refused by the server, %llu with no session left\n", "",
                   (unsigned long long)stats.refused, (unsigned long long)stats.missed - 1);
    }
}

static int usage(const char *problem) {
    fprintf(stderr,
            "demo: %s\nusage: make demo [SERVER=host:port [SERVER_NAME=name] "
            "[CAFILE=file.pem]] [CONNECTIONS=n]\n",
            problem);
    return 2;
}

/* Takes "host:port" or "[v6]:port" apart, in place. */
static bool split_server(char *server, struct target *target) {
    char *colon = strrchr(server, ':');
    if (colon == NULL || colon == server)
        return false;
    *colon = '\0';
    target->port = colon + 1;
    target->host = server;
    if (server[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        target->host = server + 1;
    }
    long port = strtol(target->port, &colon, 10);
    return *colon == '\0' && port > 0 && port < 65536 && target->host[0] != '\0';
}

/* What an environment variable says, or NULL if it is not set or empty. */
static const char *from_environment(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

int main(int argc, char **argv) {
    struct demo demo = {
        .echo = argc > 1 && strcmp(argv[1], "--echo") == 0,
        .progress = isatty(STDERR_FILENO),
    };
    const char *server = from_environment("SERVER");
    if (server == NULL)
        return usage("SERVER is not set");
    char *parts = or_exit(strdup(server));
    if (!split_server(parts, &demo.target))
        return usage("SERVER has to be host:port");
    const char *server_name = from_environment("SERVER_NAME");
    demo.target.server_name = server_name ? server_name : demo.target.host;
    demo.target.cafile = from_environment("CAFILE");
    if (demo.target.cafile != NULL && access(demo.target.cafile, R_OK) != 0)
        return usage("CAFILE cannot be read");
    /* Not so many to a server that belongs to somebody. */
    const char *connections = from_environment("CONNECTIONS");
    long count = connections ? atol(connections) : demo.echo ? 200 : 20;
    if (count < 2 || count > 100000)
        return usage("CONNECTIONS has to be from 2 to 100000");
    demo.connections = (size_t)count;
    demo.addresses = tcp_resolve(demo.target.host, demo.target.port);
    if (demo.addresses == NULL)
        return usage("SERVER is not known");
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);

    printf("libtsc %s: %zu connections without and %zu with the cache per row, to %s%s\n\n",
           tsc_version(), demo.connections, demo.connections,
           demo.echo ? "an embedded server at " : "", server);
    show_head();
    const struct tls_stack *const stacks[] = {&openssl_stack, &rustls_stack};
    size_t seen[OUTCOME_NOT_ALL + 1] = {0}; /* how many rows ended so */
    size_t can_resume = 0, resumed = 0;
    for (size_t i = 0; i < 4 && !seen[OUTCOME_UNREACHABLE]; i++) {
        struct row row = {.stack = stacks[i / 2], .version = i % 2 ? 0x0304 : 0x0303};
        enum outcome outcome = open_row(&demo, &row);
        if (outcome == OUTCOME_FULL)
            outcome = run_row(&demo, &row);
        show_row(&demo, &row, outcome);
        seen[outcome]++;
        resumed += row.series[1].count;
        /* The first connection, with an empty cache, cannot resume; and nobody can in a version
           that the server does not speak. */
        if (outcome != OUTCOME_NOT_SPOKEN)
            can_resume += demo.connections - 1;
        close_row(&row);
    }
    if (resumed > 0)
        printf("\nfull: without the cache; resumed: with it, in turns of %d. Medians. CPU is what "
               "this program spent\non one connection, from TCP to close; wall time runs from "
               "connecting to the %s.\nThe first connection of a row finds the cache empty; the "
               "other %zu could resume.\n",
               TURN, demo.echo ? "server's answer" : "end of the handshake", demo.connections - 1);
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
        if (seen[i] > 0 && advice[i] != NULL)
            printf("\n%s\n", advice[i]);
    printf("\ndemo: resumed %zu/%zu\n", resumed, can_resume);
    freeaddrinfo(demo.addresses);
    free(parts);
    return can_resume == 0 || resumed < can_resume;
}
