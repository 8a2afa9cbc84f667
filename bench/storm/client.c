/* The storm's client: opens a whole pool of connections to every node at once, again and again,
   each time with another way to keep sessions, and says what that costs.

       client [OPTION...]

       --stack openssl|rustls
       --tls 1.2|1.3        (default 1.3)
       --pool P             connections to each node (default 64)
       --scenario cold      nothing in the cache
                  restart   a pool was up; every node in turn loses its ticket keys and all its
                            connections, which are opened anew before it is the next one's turn
                  reconnect a pool was up; all connections are opened anew, and the nodes have
                            kept their keys
       --modes M,...        which of none, own, burst, wait, reuse, in turns (default: none to wait)
       --rounds N           how often (default 9)
       --max-wait MS        how long a connection may wait for a ticket (default 1000)

   The environment says where to: see server.c, and delay.c. One line of comma-separated values per
   mode goes to standard output: what happened, and the medians over the rounds. Ratios are medians
   of the ratios to "none" within the same round, so that what else the machine does falls on both.

   One thread and no blocking call, as drivers are built that are asked for such pools. Exits with
   0, or with 1 if a connection failed. */

#include "storm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_NODES = 64, MAX_ROUNDS = 99, MAX_EVENTS = 256, PATIENCE_S = 60 };

char storm_error[256];

static const char *const mode_names[MODES] = {"none", "own", "burst", "wait", "reuse"};

struct connection;

/* What epoll points to. */
struct watch {
    struct connection *connection;
    bool of_wait; /* and not of the socket */
};

struct connection {
    enum {
        CONNECTING, /* TCP is on its way */
        STANDING,   /* TCP stands; see connect_ns */
        WAITING,    /* for a ticket */
        TALKING,    /* handshake and login */
        UP
    } state;
    int fd, wait_fd;
    const struct node *node;
    struct tls *tls;
    struct watch socket, wait;
    char answer[ANSWER_LEN];
};

/* What one storm came to. */
struct measure {
    uint64_t resumed, client_cpu, server_cpu, up; /* a count, and nanoseconds */
};

static struct {
    const struct tls_stack *stack;
    struct setting setting;
    struct node nodes[MAX_NODES];
    size_t pool, rounds;
    const char *scenario;
    bool modes[MODES];
    uint32_t max_wait_ms;
    uint64_t connect_ns; /* what TCP's handshake takes, where a proxy stands in for the network */
    int control;
} client = {
    .stack = &openssl_stack,
    .setting = {.version = 0x0304},
    .pool = 64,
    .rounds = 9,
    .scenario = "cold",
    .modes = {true, true, true, true},
    .max_wait_ms = 1000,
};

static _Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "client: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static uint64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Asks the servers something, and waits for the answer. */
static uint64_t ask(const char *question) {
    uint64_t answer;
    if (send(client.control, question, strlen(question), 0) < 0 ||
        recv(client.control, &answer, sizeof answer, 0) != sizeof answer)
        fail("the servers do not answer: %s", strerror(errno));
    return answer;
}

/* ---- One storm --------------------------------------------------------------------------------*/

struct storm {
    struct tls_config *config;
    struct connection *connections;
    size_t count, up, standing;
    bool waits;
    int poller;
};

static void watch(const struct storm *storm, int fd, uint32_t events, struct watch *watch) {
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(storm->poller, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

static void advance(struct storm *storm, struct connection *connection) {
    switch (client.stack->drive(connection->tls, connection->answer)) {
    case PROGRESS_PENDING:
        return;
    case PROGRESS_UP:
        connection->state = UP;
        storm->up++;
        return;
    case PROGRESS_FAILED:
        fail("a connection to %s failed: %s", connection->node->host, storm_error);
    }
}

static void begin(struct storm *storm, struct connection *connection) {
    connection->state = TALKING;
    if (!client.stack->begin(connection->tls))
        fail("%s", storm_error);
    advance(storm, connection);
}

/* TCP stands, and the network has taken its time for that. */
static void stand(struct storm *storm, struct connection *connection) {
    connection->tls = client.stack->prepare(storm->config, connection->node, connection->fd);
    if (connection->tls == NULL)
        fail("%s", storm_error);
    if (storm->waits) {
        int fd;
        tsc_status status =
            tsc_attempt_wait_fd(client.stack->attempt(connection->tls), client.max_wait_ms, &fd);
        if (status == TSC_WAIT) {
            connection->state = WAITING;
            connection->wait_fd = fd;
            watch(storm, fd, EPOLLIN, &connection->wait);
            return;
        }
        if (status != TSC_OK)
            fail("tsc_attempt_wait_fd: %s", tsc_status_text(status));
    }
    begin(storm, connection);
}

/* There is a session, or none is to be waited for any longer. */
static void end_wait(struct storm *storm, struct connection *connection) {
    epoll_ctl(storm->poller, EPOLL_CTL_DEL, connection->wait_fd, NULL);
    begin(storm, connection);
}

static void dial(struct storm *storm, struct connection *connection, const struct node *node) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(node->port)};
    inet_pton(AF_INET, node->host, &address.sin_addr);
    *connection = (struct connection){
        .state = CONNECTING,
        .node = node,
        .socket = {.connection = connection},
        .wait = {.connection = connection, .of_wait = true},
        .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
    };
    if (connection->fd < 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0 ||
        (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 &&
         errno != EINPROGRESS))
        fail("cannot connect to %s: %s", node->host, strerror(errno));
    watch(storm, connection->fd, EPOLLIN | EPOLLOUT | EPOLLET, &connection->socket);
}

static void on_event(struct storm *storm, const struct watch *watch) {
    struct connection *connection = watch->connection;
    int error = 0;
    socklen_t length = sizeof error;
    if (watch->of_wait) {
        end_wait(storm, connection);
    } else if (connection->state == CONNECTING) {
        getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0)
            fail("cannot connect to %s: %s", connection->node->host, strerror(error));
        connection->state = STANDING;
        storm->standing++;
    } else if (connection->state == TALKING) {
        advance(storm, connection);
    }
}

/* Opens pools to count nodes, all at once, and returns when everything is up. */
static struct measure open_pools(enum mode mode, struct tls_config *config,
                                 const struct node *nodes, size_t count, struct storm *storm) {
    *storm = (struct storm){
        .config = config,
        .count = count * client.pool,
        .connections = calloc(count * client.pool, sizeof(struct connection)),
        .waits = mode == MODE_WAIT || mode == MODE_REUSE,
        .poller = epoll_create1(EPOLL_CLOEXEC),
    };
    if (storm->connections == NULL || storm->poller < 0)
        fail("out of memory or files");
    struct measure measure = {.server_cpu = ask("cpu")};
    uint64_t began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < storm->count; i++)
        dial(storm, &storm->connections[i], &nodes[i % count]);
    const uint64_t end = began + (uint64_t)PATIENCE_S * 1000000000;
    const uint64_t connected = began + client.connect_ns;
    while (storm->up < storm->count) {
        uint64_t wake = end, time = now(CLOCK_MONOTONIC);
        if (storm->standing > 0 && connected < wake)
            wake = connected;
        if (time > end)
            fail("%zu of %zu connections are up after %d s", storm->up, storm->count, PATIENCE_S);
        struct epoll_event events[MAX_EVENTS];
        int happened = epoll_wait(storm->poller, events, MAX_EVENTS,
                                  wake > time ? (int)((wake - time + 999999) / 1000000) : 0);
        for (int i = 0; i < happened; i++)
            on_event(storm, events[i].data.ptr);
        if (storm->standing > 0 && now(CLOCK_MONOTONIC) >= connected) {
            storm->standing = 0;
            for (size_t i = 0; i < storm->count; i++)
                if (storm->connections[i].state == STANDING)
                    stand(storm, &storm->connections[i]);
        }
    }
    measure.up = now(CLOCK_MONOTONIC) - began;
    measure.client_cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    measure.server_cpu = ask("cpu") - measure.server_cpu;
    for (size_t i = 0; i < storm->count; i++)
        measure.resumed += memcmp(storm->connections[i].answer, ANSWER_RESUMED, ANSWER_LEN) == 0;
    return measure;
}

static void close_pools(struct storm *storm) {
    for (size_t i = 0; i < storm->count; i++) {
        client.stack->close(storm->connections[i].tls);
        close(storm->connections[i].fd);
    }
    free(storm->connections);
    close(storm->poller);
}

/* ---- Scenarios --------------------------------------------------------------------------------*/

static struct measure restart_nodes(enum mode mode, struct tls_config *config) {
    struct measure sum = {0};
    struct storm storms[MAX_NODES];
    for (size_t i = 0; i < client.setting.nodes; i++) {
        char question[32];
        snprintf(question, sizeof question, "restart %zu", i);
        ask(question);
        struct measure one = open_pools(mode, config, &client.nodes[i], 1, &storms[i]);
        sum.resumed += one.resumed;
        sum.client_cpu += one.client_cpu;
        sum.server_cpu += one.server_cpu;
        sum.up += one.up;
    }
    for (size_t i = 0; i < client.setting.nodes; i++)
        close_pools(&storms[i]);
    return sum;
}

static struct measure run(enum mode mode) {
    const tsc_options options = {
        .flags = mode == MODE_NONE    ? TSC_DISABLED
                 : mode == MODE_REUSE ? TSC_REUSE_WHEN_DRY
                                      : 0,
        /* A pool leaves as many as it is large, or more: enough for the next one. */
        .max_sessions_per_endpoint = (uint32_t)client.pool,
        .max_bytes = (uint64_t)64 << 20,
    };
    tsc_cache *cache = NULL;
    tsc_status status = tsc_cache_new(&options, sizeof options, &cache);
    if (status != TSC_OK)
        fail("tsc_cache_new: %s", tsc_status_text(status));
    struct tls_config *config = client.stack->config_new(mode, &client.setting, cache);
    if (config == NULL)
        fail("%s", storm_error);
    struct storm storm;
    struct measure measure;
    measure = open_pools(mode, config, client.nodes, client.setting.nodes, &storm);
    close_pools(&storm);
    /* A node needs a moment until it is back, in which nothing is heard of it. */
    if (strcmp(client.scenario, "cold") != 0)
        poll(NULL, 0, 300);
    if (strcmp(client.scenario, "restart") == 0) {
        measure = restart_nodes(mode, config);
    } else if (strcmp(client.scenario, "reconnect") == 0) {
        measure = open_pools(mode, config, client.nodes, client.setting.nodes, &storm);
        close_pools(&storm);
    }
    client.stack->config_free(config);
    tsc_cache_free(cache);
    return measure;
}

/* ---- The record -------------------------------------------------------------------------------*/

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, ascending);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static const char *from_environment(const char *name) {
    const char *value = getenv(name);
    return value ? value : "0";
}

static const struct column {
    size_t offset;
    double unit;
} columns[] = {
    {offsetof(struct measure, client_cpu), 1e6},
    {offsetof(struct measure, server_cpu), 1e6},
    {offsetof(struct measure, up), 1e6},
};

static double value_of(const struct measure *measure, const struct column *column) {
    uint64_t value;
    memcpy(&value, (const char *)measure + column->offset, sizeof value);
    return (double)value;
}

/* measures: of all rounds, by mode. */
static void show(enum mode mode, struct measure (*measures)[MODES]) {
    double values[MAX_ROUNDS];
    for (size_t i = 0; i < client.rounds; i++)
        values[i] = (double)measures[i][mode].resumed;
    double resumed = median(values, client.rounds); /* which leaves the least in front */
    printf("%s,%s,1.%d,%s,%s,%s,%s,%s,%g,%zu,%zu,%u,%s,%zu,%zu,%g,%g", client.stack->name(),
           from_environment("SERVER"), client.setting.version - 0x0301,
           from_environment("CLIENT_AUTH"), from_environment("TICKETS_FULL"),
           from_environment("TICKETS_RESUMED"), from_environment("SESSIONS"), client.scenario,
           (double)client.connect_ns / 1e6, client.setting.nodes, client.pool, client.max_wait_ms,
           mode_names[mode], client.rounds, client.pool * client.setting.nodes, resumed, values[0]);
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < client.rounds; i++)
            values[i] = value_of(&measures[i][mode], &columns[c]);
        printf(",%.3f", median(values, client.rounds) / columns[c].unit);
    }
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < client.rounds; i++)
            values[i] = value_of(&measures[i][mode], &columns[c]) /
                        value_of(&measures[i][MODE_NONE], &columns[c]);
        if (client.modes[MODE_NONE])
            printf(",%.3f", median(values, client.rounds));
        else
            printf(",");
    }
    for (size_t i = 0; i < client.rounds; i++)
        values[i] = (double)measures[i][mode].up / 1e6;
    median(values, client.rounds);
    printf(",%.3f\n", values[0]);
}

/* ---- Options ----------------------------------------------------------------------------------*/

static _Noreturn void usage(const char *problem) {
    fprintf(stderr,
            "client: %s\nusage: client [--stack openssl|rustls] [--tls 1.2|1.3] [--pool P] "
            "[--scenario cold|restart|reconnect]\n              [--modes M,...] [--rounds N] "
            "[--max-wait MS]\n",
            problem);
    exit(2);
}

static void read_modes(char *list) {
    memset(client.modes, 0, sizeof client.modes);
    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        size_t mode = 0;
        while (mode < MODES && strcmp(word, mode_names[mode]) != 0)
            mode++;
        if (mode == MODES)
            usage("no such mode");
        client.modes[mode] = true;
    }
}

static void read_options(char **argv) {
    for (argv++; *argv; argv += 2) {
        char *value = argv[1];
        if (value == NULL)
            usage("an option without a value");
        if (strcmp(*argv, "--stack") == 0)
            client.stack = strcmp(value, "rustls") == 0 ? &rustls_stack : &openssl_stack;
        else if (strcmp(*argv, "--tls") == 0)
            client.setting.version = strcmp(value, "1.2") == 0 ? 0x0303 : 0x0304;
        else if (strcmp(*argv, "--pool") == 0)
            client.pool = (size_t)atol(value);
        else if (strcmp(*argv, "--scenario") == 0)
            client.scenario = value;
        else if (strcmp(*argv, "--modes") == 0)
            read_modes(value);
        else if (strcmp(*argv, "--rounds") == 0)
            client.rounds = (size_t)atol(value);
        else if (strcmp(*argv, "--max-wait") == 0)
            client.max_wait_ms = (uint32_t)atol(value);
        else
            usage(*argv);
    }
    if (client.pool < 1 || client.pool > 1024 || client.rounds < 1 || client.rounds > MAX_ROUNDS)
        usage("pool has to be from 1 to 1024, rounds from 1 to 99");
}

static void read_environment(void) {
    char *nodes = strdup(from_environment("NODES"));
    for (char *word = strtok(nodes, " "); word; word = strtok(NULL, " ")) {
        struct node *node = &client.nodes[client.setting.nodes];
        if (client.setting.nodes == MAX_NODES ||
            sscanf(word, "%39[^:]:%hu", node->host, &node->port) != 2)
            usage("NODES has to be host:port, separated by spaces: is this run by server?");
        node->index = client.setting.nodes++;
    }
    free(nodes);
    client.setting.cafile = from_environment("CAFILE");
    client.setting.client_cert = from_environment("CLIENT_CERT");
    client.setting.client_key = from_environment("CLIENT_KEY");
    client.control = atoi(from_environment("CONTROL"));
    client.connect_ns = (uint64_t)(atof(from_environment("RTT_MS")) * 1e6);
}

int main(int argc, char **argv) {
    (void)argc;
    read_options(argv);
    read_environment();
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);

    /* What is only slow the first time is no part of what is measured. */
    run(MODE_NONE);
    static struct measure measures[MAX_ROUNDS][MODES];
    for (size_t round = 0; round < client.rounds; round++)
        for (size_t i = 0; i < MODES; i++) {
            enum mode mode = (enum mode)((round + i) % MODES); /* each of them goes first in turn */
            if (client.modes[mode])
                measures[round][mode] = run(mode);
        }
    for (size_t mode = 0; mode < MODES; mode++)
        if (client.modes[mode])
            show((enum mode)mode, measures);
    return 0;
}
