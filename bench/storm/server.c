/* The storm's servers. Runs a command, and serves for as long as that command lives:

       server [OPTION...] COMMAND [ARGUMENT...]

       --stack openssl|gnutls
       --nodes N        how many (default 1): node k listens on a free port of 127.0.0.k
       --tickets F,R    TLS 1.3 tickets per full and per resumed handshake (default 2,1: what
                        OpenSSL does by itself)
       --sessions KIND  sealed: a ticket holds its session, sealed with the server's key, and is
                        taken as often as it is offered (the default, as OpenSSL's is)
                        kept: the server keeps the sessions, and a ticket only names one
                        once: the same, and each is taken once (OpenSSL's guard against replay)
       --no-client-cert does not ask for client certificates

   All nodes are one process with one thread, so that what it spends is what all of them spend. A
   connection is answered once, with the server's word on its handshake, and then kept until the
   client closes it.

   The command finds in its environment:

       NODES        host:port of each node, separated by spaces
       CAFILE, CLIENT_CERT, CLIENT_KEY  PEM files
       SERVER, TICKETS_FULL, TICKETS_RESUMED, SESSIONS, CLIENT_AUTH  what the options say, for the
   record CONTROL      a socket that takes one question a message and answers with a number: "cpu":
   nanoseconds of CPU spent so far; "restart K": node K (from 0) has lost its ticket keys, as after
   a restart */

#include "server.h"

#include "certificate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_NODES = 64, MAX_EVENTS = 256 };

static const struct server_stack *stack = &openssl_server;
static struct manner manner = {.full = 2, .resumed = 1, .sessions = "sealed", .client_cert = true};
static size_t node_count = 1;
static struct context *contexts[MAX_NODES];

/* What epoll points to. */
struct source {
    enum { CONTROL, LISTENER, CONNECTION } kind;
    int fd;
    size_t node;
    struct service *service;
};

static int poller;

static void watch(struct source *source, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    check(epoll_ctl(poller, EPOLL_CTL_ADD, source->fd, &event) == 0, "epoll");
}

static struct source *new_source(int kind, int fd, size_t node) {
    struct source *source = calloc(1, sizeof *source);
    check(source != NULL, "out of memory");
    source->kind = kind;
    source->fd = fd;
    source->node = node;
    return source;
}

static void accept_all(const struct source *listener) {
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct source *source = new_source(CONNECTION, fd, listener->node);
        source->service = stack->service_new(contexts[listener->node], fd);
        watch(source, EPOLLIN | EPOLLOUT | EPOLLET);
    }
    check(errno == EAGAIN || errno == ECONNABORTED, "accept");
}

static void end(struct source *source) {
    stack->service_free(source->service);
    close(source->fd);
    free(source);
}

/* ---- The command ------------------------------------------------------------------------------*/

/* False: there is nobody left to serve. */
static bool obey(int control) {
    char question[32] = "";
    ssize_t length = recv(control, question, sizeof question - 1, 0);
    if (length <= 0)
        return false;
    uint64_t answer = 0;
    size_t node;
    if (strcmp(question, "cpu") == 0) {
        struct timespec spent;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
        answer = (uint64_t)spent.tv_sec * 1000000000 + (uint64_t)spent.tv_nsec;
    } else if (sscanf(question, "restart %zu", &node) == 1 && node < node_count) {
        stack->context_free(contexts[node]);
        contexts[node] = stack->context_new(&manner);
    }
    return send(control, &answer, sizeof answer, 0) == sizeof answer;
}

static void serve_until_orphaned(const int *listeners, int control) {
    poller = epoll_create1(EPOLL_CLOEXEC);
    check(poller >= 0, "epoll");
    struct source *origins[MAX_NODES + 1];
    for (size_t i = 0; i < node_count; i++)
        watch(origins[i] = new_source(LISTENER, listeners[i], i), EPOLLIN);
    watch(origins[node_count] = new_source(CONTROL, control, 0), EPOLLIN);
    for (bool alive = true; alive;) {
        struct epoll_event events[MAX_EVENTS];
        int count = epoll_wait(poller, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct source *source = events[i].data.ptr;
            if (source->kind == LISTENER) {
                accept_all(source);
            } else if (source->kind == CONTROL) {
                alive = obey(control);
            } else if (!stack->serve(source->service)) {
                end(source);
            }
        }
    }
    for (size_t i = 0; i <= node_count; i++) {
        close(origins[i]->fd);
        free(origins[i]);
    }
}

static int listen_on(size_t node, uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)node)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    check(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 4096) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &length) == 0,
          "listening on the loopback");
    *port = ntohs(address.sin_port);
    return fd;
}

/* ---- Certificates -----------------------------------------------------------------------------*/

static char directory[4000];

/* The PEM files in it, by the order in which they are written. */
static char paths[5][sizeof directory + 16];
static size_t path_count;

/* Writes one of both. Gives the path. */
static const char *write_pem(const char *name, X509 *cert, EVP_PKEY *key) {
    char *path = paths[path_count++];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    check(file &&
              (cert ? PEM_write_X509(file, cert)
                    : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL)) &&
              fclose(file) == 0,
          path);
    return path;
}

static void make_certificates(void) {
    const char *tmp = getenv("TMPDIR");
    int length =
        snprintf(directory, sizeof directory, "%s/tsc-storm.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    check(length > 0 && (size_t)length < sizeof directory, "TMPDIR is too long");
    check(mkdtemp(directory) != NULL, directory);
    char names[MAX_NODES * 20] = "DNS:localhost";
    for (size_t i = 0; i < node_count; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), ",IP:127.0.0.%zu", i + 1);
    EVP_PKEY *ca_key = new_p256_key(), *key = new_p256_key();
    X509 *ca = new_certificate("libtsc storm CA", ca_key, NULL, ca_key, "critical,CA:TRUE", NULL);
    X509 *cert = new_certificate("server", key, ca, ca_key, "critical,CA:FALSE", names);
    manner.cafile = write_pem("ca.pem", ca, NULL);
    manner.cert = write_pem("server.pem", cert, NULL);
    manner.key = write_pem("server.key", NULL, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    key = new_p256_key();
    cert = new_certificate("client", key, ca, ca_key, "critical,CA:FALSE", "DNS:client");
    setenv("CAFILE", manner.cafile, 1);
    setenv("CLIENT_CERT", write_pem("client.pem", cert, NULL), 1);
    setenv("CLIENT_KEY", write_pem("client.key", NULL, key), 1);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
}

static void remove_certificates(void) {
    while (path_count > 0)
        unlink(paths[--path_count]);
    rmdir(directory);
}

/* ---- Options ----------------------------------------------------------------------------------*/

static void set_number(const char *name, long value) {
    char text[24];
    snprintf(text, sizeof text, "%ld", value);
    setenv(name, text, 1);
}

/* Gives the command. */
static char **read_options(char **argv) {
    bool ok = true;
    for (argv++; ok && *argv && strncmp(*argv, "--", 2) == 0; argv++) {
        if (strcmp(*argv, "--stack") == 0 && argv[1])
            stack = strcmp(*++argv, "gnutls") == 0 ? &gnutls_server : &openssl_server;
        else if (strcmp(*argv, "--nodes") == 0 && argv[1])
            node_count = (size_t)atol(*++argv);
        else if (strcmp(*argv, "--tickets") == 0 && argv[1])
            ok = sscanf(*++argv, "%u,%u", &manner.full, &manner.resumed) == 2;
        else if (strcmp(*argv, "--sessions") == 0 && argv[1])
            manner.sessions = *++argv;
        else if (strcmp(*argv, "--no-client-cert") == 0)
            manner.client_cert = false;
        else
            ok = false;
    }
    if (ok && *argv && node_count >= 1 && node_count <= MAX_NODES && manner.full <= 255 &&
        manner.resumed <= 255)
        return argv;
    fprintf(stderr,
            "usage: server [--nodes N] [--tickets FULL,RESUMED] [--sessions sealed|kept|once] "
            "[--no-client-cert] COMMAND [ARGUMENT...]\n");
    exit(2);
}

int main(int argc, char **argv) {
    (void)argc;
    char **command = read_options(argv);
    raise_file_limit();
    make_certificates();
    int listeners[MAX_NODES], control[2];
    char nodes[MAX_NODES * 24] = "";
    for (size_t i = 0; i < node_count; i++) {
        uint16_t port;
        listeners[i] = listen_on(i, &port);
        contexts[i] = stack->context_new(&manner);
        snprintf(nodes + strlen(nodes), sizeof nodes - strlen(nodes), "%s127.0.0.%zu:%u",
                 i ? " " : "", i + 1, port);
    }
    check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control) == 0, "a socket for the command");

    /* As in the demo: the child serves and this process becomes the command, whose exit status is
       that of the whole. The server cannot outlive it, for then the control socket ends. */
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        close(control[1]);
        signal(SIGPIPE, SIG_IGN);
        /* What ends the command ends this, and then the files are removed. */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        serve_until_orphaned(listeners, control[0]);
        remove_certificates();
        return 0;
    }
    close(control[0]);
    setenv("NODES", nodes, 1);
    setenv("SERVER", stack->name, 1);
    set_number("TICKETS_FULL", manner.full);
    set_number("TICKETS_RESUMED", manner.resumed);
    setenv("SESSIONS", manner.sessions, 1);
    set_number("CLIENT_AUTH", manner.client_cert);
    set_number("CONTROL", control[1]);
    execvp(command[0], command);
    check(false, command[0]);
}
