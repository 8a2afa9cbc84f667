/* The storm's network: a proxy before every node that delays what passes. Runs a command:

       delay MS COMMAND [ARGUMENT...]

   MS is the round trip time: each direction takes half of it. The command finds NODES in its
   environment changed to the proxies, and RTT_MS set. TCP's own handshake, which takes a round trip
   as well, no proxy can delay: client.c waits for so long by itself.

   A proxy and not netem, because netem needs root and a module that many kernels come without, in
   containers and CI above all. It adds no limit to bandwidth and loses nothing. */

#include "storm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_NODES = 64, MAX_EVENTS = 256, CHUNK = 16384 };

/* Two sockets, between which everything goes to and fro. */
struct pair;

struct end {
    struct pair *pair;
    int fd;
    bool over; /* nothing comes from here any more */
};

struct pair {
    struct end ends[2];
    int open; /* directions whose end has not been passed on */
};

/* Bytes on their way. len 0: the end of what a socket has to say. As all of them travel for the
   same time, one queue is in order for all. */
struct chunk {
    struct chunk *next;
    uint64_t due;
    struct end *to;
    size_t len;
    char bytes[];
};

static struct {
    struct sockaddr_in from, to;
    int listener;
} proxies[MAX_NODES];
static size_t proxy_count;
static struct chunk *first, **last = &first;
static uint64_t half_ns;
static int poller, timer;

static void check(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "delay: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void set_timer(uint64_t due) {
    struct itimerspec at = {.it_value = {(time_t)(due / 1000000000), (long)(due % 1000000000)}};
    check(timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) == 0, "the timer");
}

static void watch(int fd, uint32_t events, void *what) {
    struct epoll_event event = {.events = events, .data.ptr = what};
    check(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
}

static void enqueue(struct end *to, const char *bytes, size_t len) {
    struct chunk *chunk = malloc(sizeof *chunk + len);
    check(chunk != NULL, "out of memory");
    chunk->next = NULL;
    chunk->due = now() + half_ns;
    chunk->to = to;
    chunk->len = len;
    memcpy(chunk->bytes, bytes, len);
    if (first == NULL)
        set_timer(chunk->due);
    *last = chunk;
    last = &chunk->next;
}

/* Reads all that is there. */
static void take(struct end *from) {
    static char bytes[CHUNK];
    struct end *to = &from->pair->ends[from == from->pair->ends];
    ssize_t n = 1;
    while (!from->over && n > 0) {
        n = recv(from->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        from->over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
        if (n > 0 || from->over)
            enqueue(to, bytes, n > 0 ? (size_t)n : 0);
    }
}

/* Passes on what has travelled for long enough. */
static void deliver(void) {
    uint64_t expirations;
    if (read(timer, &expirations, sizeof expirations) < 0)
        return;
    uint64_t time = now();
    while (first != NULL && first->due <= time) {
        struct chunk *chunk = first;
        struct pair *pair = chunk->to->pair;
        first = chunk->next;
        if (first == NULL)
            last = &first;
        if (chunk->len > 0) {
            /* May block for a moment. A receiver that is gone shows on the way back. */
            for (size_t sent = 0; sent < chunk->len;) {
                ssize_t n = send(chunk->to->fd, chunk->bytes + sent, chunk->len - sent, 0);
                if (n < 0 && errno != EINTR)
                    break;
                sent += n > 0 ? (size_t)n : 0;
            }
        } else {
            shutdown(chunk->to->fd, SHUT_WR);
            if (--pair->open == 0) {
                close(pair->ends[0].fd);
                close(pair->ends[1].fd);
                free(pair);
            }
        }
        free(chunk);
    }
    if (first != NULL)
        set_timer(first->due);
}

static void accept_one(size_t index) {
    int fd = accept4(proxies[index].listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct pair *pair = calloc(1, sizeof *pair);
    check(pair != NULL, "out of memory");
    pair->open = 2;
    pair->ends[0] = (struct end){.pair = pair, .fd = fd};
    pair->ends[1] =
        (struct end){.pair = pair, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    check(connect(pair->ends[1].fd, (struct sockaddr *)&proxies[index].to,
                  sizeof proxies[index].to) == 0,
          "connecting to a node");
    for (int i = 0; i < 2; i++) {
        setsockopt(pair->ends[i].fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        watch(pair->ends[i].fd, EPOLLIN | EPOLLET, &pair->ends[i]);
    }
}

/* Never returns: the death of the command is that of this process. */
static void pass_on(void) {
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    check(poller >= 0 && timer >= 0, "epoll");
    watch(timer, EPOLLIN, &timer);
    for (size_t i = 0; i < proxy_count; i++)
        watch(proxies[i].listener, EPOLLIN, &proxies[i]);
    for (;;) {
        struct epoll_event events[MAX_EVENTS];
        int count = epoll_wait(poller, events, MAX_EVENTS, -1);
        bool due = false;
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (what == &timer)
                due = true;
            else if ((char *)what >= (char *)proxies &&
                     (char *)what < (char *)(proxies + MAX_NODES))
                accept_one((size_t)((char *)what - (char *)proxies) / sizeof *proxies);
            else
                take(what);
        }
        /* Last, for it may free what the other events are about. */
        if (due)
            deliver();
    }
}

static void listen_before(size_t index, const char *node) {
    char host[40];
    uint16_t port;
    socklen_t length = sizeof proxies->from;
    check(sscanf(node, "%39[^:]:%hu", host, &port) == 2, "NODES");
    proxies[index].to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &proxies[index].to.sin_addr);
    proxies[index].from = proxies[index].to;
    proxies[index].from.sin_port = 0;
    int fd = proxies[index].listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr *from = (struct sockaddr *)&proxies[index].from;
    check(fd >= 0 && bind(fd, from, length) == 0 && listen(fd, 4096) == 0 &&
              getsockname(fd, from, &length) == 0,
          "listening on the loopback");
}

int main(int argc, char **argv) {
    double rtt_ms = argc > 2 ? atof(argv[1]) : 0;
    char *nodes = getenv("NODES") ? strdup(getenv("NODES")) : NULL;
    if (rtt_ms <= 0 || nodes == NULL) {
        fprintf(stderr, "usage, run by server: delay MS COMMAND [ARGUMENT...]\n");
        return 2;
    }
    half_ns = (uint64_t)(rtt_ms * 1e6 / 2);
    raise_file_limit();
    char list[MAX_NODES * 24] = "";
    for (char *word = strtok(nodes, " "); word && proxy_count < MAX_NODES;
         word = strtok(NULL, " ")) {
        listen_before(proxy_count, word);
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s:%u", proxy_count ? " " : "",
                 inet_ntoa(proxies[proxy_count].from.sin_addr),
                 ntohs(proxies[proxy_count].from.sin_port));
        proxy_count++;
    }
    free(nodes);
    pid_t parent = getpid();
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* the parent becomes the command */
        if (getppid() != parent)
            return 0;
        /* The servers end when nobody but them holds this. */
        if (getenv("CONTROL"))
            close(atoi(getenv("CONTROL")));
        signal(SIGPIPE, SIG_IGN);
        pass_on();
    }
    setenv("NODES", list, 1);
    setenv("RTT_MS", argv[1], 1);
    execvp(argv[2], argv + 2);
    check(false, argv[2]);
}
