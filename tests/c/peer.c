// See peer.h.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cmocka.h>

#include <openssl/err.h>

#include "tsc_openssl.h"

enum { DEADLINE_MS = 300000, CONVERSATIONS = 1024, PATH = 256 };

static char directory[PATH];

// ---- Processes ----------------------------------------------------------------------------------

// Starts a program with its output in a file. It dies with this process.
static pid_t start(const char *const arguments[], const char *log) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        int null = open("/dev/null", O_RDONLY);
        int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(null, 0);
        dup2(out, 1);
        dup2(out, 2);
        // Else a connection that is closed here would stay open there.
        for (int fd = 3; fd < 1024; fd++)
            close(fd);
        execvp(arguments[0], (char *const *)arguments);
        perror(arguments[0]);
        _exit(127);
    }
    return child;
}

static void show(const char *log) {
    char line[512];
    FILE *file = fopen(log, "r");
    while (file && fgets(line, sizeof line, file))
        fputs(line, stderr);
    if (file)
        fclose(file);
}

static int finish(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void run(const char *const arguments[]) {
    char log[PATH + 16];
    snprintf(log, sizeof log, "%s/command.log", directory);
    if (finish(start(arguments, log)) != 0) {
        show(log);
        fail_msg("%s failed", arguments[0]);
    }
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_ms(long milliseconds) {
    struct timespec pause = {0, milliseconds * 1000000};
    nanosleep(&pause, NULL);
}

// ---- Certificates -------------------------------------------------------------------------------

static const char *path_of(const char *name) {
    static char paths[16][PATH + 16];
    static unsigned next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

const char *peer_server_certificate(void) {
    return path_of("server.pem");
}
const char *peer_server_key(void) {
    return path_of("server.key");
}
const char *peer_short_certificate(void) {
    return path_of("short.pem");
}
const char *peer_short_key(void) {
    return path_of("short.key");
}
const char *peer_client_certificate(void) {
    return path_of("client.pem");
}
const char *peer_client_key(void) {
    return path_of("client.key");
}

EVP_PKEY *peer_rsa_key(int bits) {
    char command[128];
    snprintf(command, sizeof command,
             "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:%d 2>/dev/null", bits);
    FILE *said = popen(command, "r");
    assert_non_null(said);
    EVP_PKEY *key = PEM_read_PrivateKey(said, NULL, NULL, NULL);
    pclose(said);
    assert_non_null(key);
    return key;
}

static void certify(const char *certificate, const char *key, const char *subject,
                    const char *days) {
    // Not those of authorities, as OpenSSL makes them by itself: rustls takes none for a server's.
    const char *configuration = path_of("req.conf");
    FILE *file = fopen(configuration, "w");
    assert_non_null(file);
    fputs("[req]\ndistinguished_name = none\nx509_extensions = ours\n[none]\n"
          "[ours]\nbasicConstraints = critical,CA:FALSE\n"
          "subjectAltName = DNS:localhost,IP:127.0.0.1\n",
          file);
    fclose(file);
    run((const char *const[]){"openssl", "req", "-x509", "-config", configuration, "-newkey", "ec",
                              "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
                              "-days", days, "-out", certificate, "-keyout", key, NULL});
}

int peer_setup(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    signal(SIGPIPE, SIG_IGN);
    snprintf(directory, sizeof directory, "%s/libtsc-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(directory));
    certify(peer_server_certificate(), peer_server_key(), "/CN=localhost", "30");
    certify(peer_short_certificate(), peer_short_key(), "/CN=short", "1"); // told apart by name
    certify(peer_client_certificate(), peer_client_key(), "/CN=client", "1");
    return 0;
}

int peer_teardown(void **state) {
    (void)state;
    const char *const command[] = {"rm", "-rf", directory, NULL};
    return finish(start(command, "/dev/null"));
}

// ---- Servers ------------------------------------------------------------------------------------

struct peer {
    void (*begin)(peer *self); // with port 0: chooses one
    int port;
    char log[PATH + 64];
    const char *arguments; // s_server's, nginx's lines, or HAProxy's
    pid_t process;         // 0: not running
    // The tests' own server.
    peer_manner manner;
    SSL_CTX *ctx;
    int listener; // -1: not running
    pthread_t thread;
};

static bool accepts(int port) {
    int fd = client_dial(port);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return ntohs(address.sin_port);
}

// Waits until the process accepts connections. False: it ended first.
static bool await_process(peer *self) {
    uint64_t deadline = now_ms() + DEADLINE_MS;
    for (;;) {
        if (waitpid(self->process, NULL, WNOHANG) == self->process) {
            self->process = 0;
            return false;
        }
        if (accepts(self->port))
            return true;
        if (now_ms() > deadline) {
            show(self->log);
            fail_msg("the server does not accept connections");
        }
        pause_ms(5);
    }
}

// Starts a server program on its port, or, the first time, on one that is free. Another program may
// be quicker to take that one, hence the tries.
static void begin_process(peer *self, void (*execute)(peer *)) {
    bool chosen = self->port != 0;
    for (int tries = 0; tries < 5; tries++) {
        if (!chosen)
            self->port = free_port();
        execute(self);
        if (await_process(self))
            return;
    }
    show(self->log);
    fail_msg("the server does not start");
}

static void execute_s_server(peer *self) {
    char port[8], words[512];
    const char *arguments[64] = {"openssl",
                                 "s_server",
                                 "-www",
                                 "-accept",
                                 port,
                                 "-cert",
                                 peer_server_certificate(),
                                 "-key",
                                 peer_server_key(),
                                 "-CAfile",
                                 peer_client_certificate()};
    size_t count = 11;
    snprintf(port, sizeof port, "%d", self->port);
    snprintf(words, sizeof words, "%s", self->arguments ? self->arguments : "");
    for (char *word = strtok(words, " "); word && count < 63; word = strtok(NULL, " "))
        arguments[count++] = word;
    arguments[count] = NULL;
    self->process = start(arguments, self->log);
}

static void begin_s_server(peer *self) {
    begin_process(self, execute_s_server);
}

static void execute_nginx(peer *self) {
    char configuration[PATH + 32];
    snprintf(configuration, sizeof configuration, "%s/nginx-%d.conf", directory, self->port);
    FILE *file = fopen(configuration, "w");
    assert_non_null(file);
    fprintf(file,
            "daemon off;\nmaster_process off;\npid %s/nginx-%d.pid;\nerror_log stderr;\n"
            "events { worker_connections 64; }\n"
            "http {\n"
            "  access_log off;\n"
            "  client_body_temp_path %s/nginx;\n  proxy_temp_path %s/nginx;\n"
            "  fastcgi_temp_path %s/nginx;\n  uwsgi_temp_path %s/nginx;\n"
            "  scgi_temp_path %s/nginx;\n"
            "  map $ssl_session_reused $word { r Reused; default New; }\n"
            "  server {\n"
            "    listen 127.0.0.1:%d ssl;\n"
            "    ssl_certificate %s;\n    ssl_certificate_key %s;\n"
            "    %s\n"
            "    location / { return 200 \"$word\\n\"; }\n"
            "  }\n"
            "}\n",
            directory, self->port, directory, directory, directory, directory, directory,
            self->port, peer_server_certificate(), peer_server_key(),
            self->arguments ? self->arguments : "");
    fclose(file);
    // Debian keeps it where an ordinary user's PATH does not look.
    const char *program = access("/usr/sbin/nginx", X_OK) == 0 ? "/usr/sbin/nginx" : "nginx";
    const char *const arguments[] = {program,  "-p", directory,     "-e",
                                     "stderr", "-c", configuration, NULL};
    self->process = start(arguments, self->log);
}

static void begin_nginx(peer *self) {
    begin_process(self, execute_nginx);
}

// Copies a file to the end of another.
static void append(FILE *file, const char *from) {
    char line[512];
    FILE *source = fopen(from, "r");
    assert_non_null(source);
    while (fgets(line, sizeof line, source))
        fputs(line, file);
    fclose(source);
}

static void execute_haproxy(peer *self) {
    char configuration[PATH + 32], certificate[PATH + 32];
    const char *version = self->manner.tls_version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3";
    snprintf(configuration, sizeof configuration, "%s/haproxy-%d.conf", directory, self->port);
    snprintf(certificate, sizeof certificate, "%s/haproxy-%d.pem", directory, self->port);
    FILE *file = fopen(certificate, "w");
    assert_non_null(file);
    append(file, peer_server_certificate());
    append(file, peer_server_key());
    fclose(file);
    file = fopen(configuration, "w");
    assert_non_null(file);
    fprintf(file,
            "global\n  nbthread 1\n  maxconn 500\n"
            "defaults\n  mode http\n  timeout client 60s\n"
            "frontend tls\n"
            "  bind 127.0.0.1:%d ssl crt %s ca-file %s verify required"
            " ssl-min-ver %s ssl-max-ver %s\n"
            "  %s\n"
            "  http-request return status 200 content-type text/plain string \"Reused\\n\""
            " if { ssl_fc_is_resumed }\n"
            "  http-request return status 200 content-type text/plain string \"New\\n\"\n",
            self->port, certificate, peer_client_certificate(), version, version,
            self->arguments ? self->arguments : "");
    fclose(file);
    // As nginx, above.
    const char *program = access("/usr/sbin/haproxy", X_OK) == 0 ? "/usr/sbin/haproxy" : "haproxy";
    const char *const arguments[] = {program, "-db", "-f", configuration, NULL};
    self->process = start(arguments, self->log);
}

static void begin_haproxy(peer *self) {
    begin_process(self, execute_haproxy);
}

static void execute_mosquitto(peer *self) {
    bool brief = self->manner.short_certificate;
    char configuration[PATH + 32], passwords[PATH + 32];
    snprintf(configuration, sizeof configuration, "%s/mosquitto-%d.conf", directory, self->port);
    snprintf(passwords, sizeof passwords, "%s/mosquitto-%d.pw", directory, self->port);
    run((const char *const[]){"mosquitto_passwd", "-b", "-c", passwords, "user", "secret", NULL});
    FILE *file = fopen(configuration, "w");
    assert_non_null(file);
    // Where root runs the tests, its certificates are root's.
    fprintf(file,
            "user root\nlog_dest stderr\nallow_anonymous true\npassword_file %s\n"
            "listener %d 127.0.0.1\ncertfile %s\nkeyfile %s\n",
            passwords, self->port, brief ? peer_short_certificate() : peer_server_certificate(),
            brief ? peer_short_key() : peer_server_key());
    fclose(file);
    // As nginx, above.
    const char *program =
        access("/usr/sbin/mosquitto", X_OK) == 0 ? "/usr/sbin/mosquitto" : "mosquitto";
    const char *const arguments[] = {program, "-c", configuration, NULL};
    self->process = start(arguments, self->log);
}

static void begin_mosquitto(peer *self) {
    begin_process(self, execute_mosquitto);
}

// ---- The tests' own server ----------------------------------------------------------------------

#ifndef TSC_SSL_BORING_ // whose servers have none of these ways
// A lifetime of zero cannot be configured: the server's library takes it for its default.
static int zero_lifetime(SSL *ssl, void *unused) {
    (void)unused;
    SSL_SESSION_set_timeout(SSL_get_session(ssl), 0);
    return 1;
}

static int staple(SSL *ssl, void *unused) {
    (void)unused;
    unsigned char *status = OPENSSL_malloc(1); // the SSL's from here on
    *status = 0;
    SSL_set_tlsext_status_ocsp_resp(ssl, status, 1);
    return SSL_TLSEXT_ERR_OK;
}

// Says of each ticket that it can be read that it should be renewed.
static SSL_TICKET_RETURN renew(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                               size_t length, SSL_TICKET_STATUS status, void *unused) {
    (void)ssl, (void)session, (void)name, (void)length, (void)unused;
    return status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW
               ? SSL_TICKET_RETURN_USE_RENEW
               : SSL_TICKET_RETURN_IGNORE_RENEW;
}
#endif

#if OPENSSL_VERSION_NUMBER < 0x30000000L
// There is no such thing: what needs it cannot be tested.
static int SSL_new_session_ticket(SSL *ssl) {
    (void)ssl;
    return 0;
}
#endif

typedef struct {
    peer *server;
    int fd;
} conversation;

// Until the client has had enough.
static void say_nothing(int fd) {
    struct pollfd client = {.fd = fd, .events = POLLRDHUP};
    poll(&client, 1, DEADLINE_MS);
}

// Answers requests: /keep without closing, /ticket with a new ticket ahead of the answer, /denied
// as a login that fails.
static void *converse(void *argument) {
    conversation *self = (conversation *)argument;
    SSL *ssl = SSL_new(self->server->ctx);
    char request[512];
    SSL_set_fd(ssl, self->fd);
    bool open = SSL_accept(ssl) == 1;
    // Sent ahead of the first answer, as the others are.
    if (open && self->server->manner.doubles && SSL_session_reused(ssl) &&
        SSL_new_session_ticket(ssl) != 1)
        abort();
    if (open && SSL_session_reused(ssl)) {
        if (self->server->manner.harm == PEER_IS_SILENT)
            say_nothing(self->fd);
        open = self->server->manner.harm == PEER_SOUND;
    }
    while (open) {
        int length = SSL_read(ssl, request, sizeof request - 1);
        if (length <= 0)
            break;
        request[length] = 0;
        if (strstr(request, "GET /ticket") && SSL_new_session_ticket(ssl) != 1)
            abort();
        char answer[64];
        snprintf(answer, sizeof answer, "HTTP/1.0 %s\r\n\r\n%s\n",
                 strstr(request, "GET /denied") ? "403 Forbidden" : "200 OK",
                 SSL_session_reused(ssl) ? "Reused" : "New");
        open = SSL_write(ssl, answer, (int)strlen(answer)) > 0 &&
               (strstr(request, "GET /keep") || strstr(request, "GET /ticket"));
        if (!open)
            SSL_shutdown(ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
    shutdown(self->fd, SHUT_RDWR); // closed by the accepting thread, which may still refer to it
    return NULL;
}

static void *accept_all(void *argument) {
    peer *self = (peer *)argument;
    static const int yes = 1;
    pthread_t *threads = calloc(CONVERSATIONS, sizeof *threads);
    conversation *conversations = calloc(CONVERSATIONS, sizeof *conversations);
    int count = 0, fd;
    while (count < CONVERSATIONS && (fd = accept(self->listener, NULL, NULL)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        conversations[count] = (conversation){self, fd};
        if (pthread_create(&threads[count], NULL, converse, &conversations[count]) != 0)
            abort();
        count++;
    }
    for (int i = 0; i < count; i++) {
        shutdown(conversations[i].fd, SHUT_RDWR);
        pthread_join(threads[i], NULL);
        close(conversations[i].fd);
    }
    free(conversations);
    free(threads);
    return NULL;
}

#ifndef TSC_SSL_BORING_
// Whether a ClientHello offers a session: in TLS 1.3 by a pre-shared key, before by an id that is
// not just made up for the sake of middleboxes, or by a ticket.
static bool offers_session(SSL *ssl) {
    const unsigned char *data;
    size_t length;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &data, &length) == 1)
        return true;
    bool ticket = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &data, &length) == 1 &&
                  length > 0;
    bool tls13 =
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &data, &length) == 1;
    return ticket || (!tls13 && SSL_client_hello_get0_session_id(ssl, &data) > 0);
}

static int do_harm(SSL *ssl, int *alert, void *argument) {
    (void)alert;
    const peer *self = (const peer *)argument;
    const int fd = SSL_get_fd(ssl);
    if (!offers_session(ssl))
        return SSL_CLIENT_HELLO_SUCCESS;
    if (self->manner.harm == PEER_HANGS)
        say_nothing(fd);
    else
        connect(fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr));
    return SSL_CLIENT_HELLO_ERROR;
}
#endif

static SSL_CTX *own_context(const peer *self) {
    const peer_manner *manner = &self->manner;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    bool brief = manner->short_certificate;
    bool harms_offers = manner->harm == PEER_RESETS || manner->harm == PEER_HANGS;
    SSL_CTX_set_min_proto_version(ctx, manner->tls_version);
    SSL_CTX_set_max_proto_version(ctx, manner->tls_version);
    SSL_CTX_set_num_tickets(ctx, (size_t)manner->tickets);
    if (manner->lifetime_seconds)
        SSL_CTX_set_timeout(ctx, manner->lifetime_seconds);
#ifdef TSC_SSL_BORING_
    if (harms_offers || manner->zero_lifetime || manner->renews || manner->doubles ||
        manner->staples)
        skip();
#else
    if (manner->zero_lifetime) {
        SSL_CTX_set_session_ticket_cb(ctx, zero_lifetime, NULL, NULL);
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET); // its ticket format has no zero either
    }
    if (harms_offers)
        SSL_CTX_set_client_hello_cb(ctx, do_harm, (void *)self);
    if (manner->staples)
        SSL_CTX_set_tlsext_status_cb(ctx, staple);
    if (manner->renews)
        SSL_CTX_set_session_ticket_cb(ctx, NULL, renew, NULL);
#endif
    if (manner->shares_keys) {
        static char keys[80] = "the same ticket keys for every server that shares them";
        long length = SSL_CTX_set_tlsext_ticket_keys(ctx, NULL, 0);
        assert_in_range(length, 1, sizeof keys);
        assert_int_equal(SSL_CTX_set_tlsext_ticket_keys(ctx, keys, length), 1);
    }
    assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, brief ? peer_short_certificate()
                                                                   : peer_server_certificate()),
                     1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, brief ? peer_short_key() : peer_server_key(),
                                                 SSL_FILETYPE_PEM),
                     1);
    return ctx;
}

static void begin_own(peer *self) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    static const int yes = 1;
    self->ctx = own_context(self);
    self->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(self->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)self->port);
    assert_int_equal(bind(self->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(self->listener, 64), 0);
    assert_int_equal(getsockname(self->listener, (struct sockaddr *)&address, &length), 0);
    self->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&self->thread, NULL, accept_all, self), 0);
}

static peer *peer_new(void (*begin)(peer *), const char *arguments, peer_manner manner) {
    static unsigned number;
    peer *self = calloc(1, sizeof *self);
    self->begin = begin;
    self->arguments = arguments;
    self->manner = manner;
    self->listener = -1;
    snprintf(self->log, sizeof self->log, "%s/peer-%u.log", directory, number++);
    begin(self);
    return self;
}

peer *peer_s_server(const char *arguments) {
    return peer_new(begin_s_server, arguments, (peer_manner){0});
}

peer *peer_nginx(const char *directives) {
    return peer_new(begin_nginx, directives, (peer_manner){0});
}

peer *peer_haproxy(int tls_version, const char *rules) {
    return peer_new(begin_haproxy, rules, (peer_manner){.tls_version = tls_version});
}

peer *peer_mosquitto(bool short_certificate) {
    return peer_new(begin_mosquitto, NULL, (peer_manner){.short_certificate = short_certificate});
}

peer *peer_own(peer_manner manner) {
    return peer_new(begin_own, NULL, manner);
}

void peer_halt(peer *self) {
    if (self->process) {
        kill(self->process, SIGKILL);
        finish(self->process);
        self->process = 0;
    }
    if (self->listener >= 0) {
        shutdown(self->listener, SHUT_RDWR);
        pthread_join(self->thread, NULL);
        close(self->listener);
        SSL_CTX_free(self->ctx);
        self->listener = -1;
    }
}

void peer_resume(peer *self) {
    self->begin(self);
}

void peer_free(peer *self) {
    peer_halt(self);
    free(self);
}

int peer_port(const peer *self) {
    return self->port;
}

// ---- Visits -------------------------------------------------------------------------------------

SSL_CTX *client_context(void) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, peer_server_certificate(), NULL), 1);
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, peer_short_certificate(), NULL), 1);
    return ctx;
}

int client_dial(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    static const struct timeval patience = {DEADLINE_MS / 1000, 0};
    static const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

SSL *client_ssl(SSL_CTX *ctx, int fd) {
    SSL *ssl = SSL_new(ctx);
    assert_non_null(ssl);
    assert_int_equal(SSL_set_tlsext_host_name(ssl, "localhost"), 1);
    assert_int_equal(SSL_set1_host(ssl, "localhost"), 1);
    if (fd >= 0)
        assert_int_equal(SSL_set_fd(ssl, fd), 1);
    return ssl;
}

void client_read_nothing(SSL *ssl) {
    char byte;
    assert_true(SSL_read(ssl, &byte, 1) <= 0);
    ERR_clear_error();
}

void client_close(SSL *ssl) {
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    if (fd >= 0)
        close(fd);
}

size_t client_ask(SSL *ssl, const char *path, char *answer, size_t capacity) {
    char request[128];
    bool whole = false, keep = strcmp(path, "/keep") == 0 || strcmp(path, "/ticket") == 0;
    size_t length = 0;
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    answer[0] = 0;
    if (SSL_write(ssl, request, (int)strlen(request)) > 0) {
        while (!whole && length + 1 < capacity) {
            int got = SSL_read(ssl, answer + length, (int)(capacity - 1 - length));
            if (got <= 0)
                break;
            length += (size_t)got;
            answer[length] = 0;
            const char *body = strstr(answer, "\r\n\r\n");
            whole = keep && body && strchr(body + 4, '\n');
        }
    }
    ERR_clear_error();
    return length;
}

visit client_visit(SSL_CTX *ctx, const peer *server, unsigned how) {
    static const size_t capacity = 65536;
    visit result = {0};
    int fd = client_dial(peer_port(server));
    assert_true(fd >= 0);
    SSL *ssl = client_ssl(ctx, fd);
    char *answer = malloc(capacity);
    if (!(how & VISIT_UNBEGUN))
        assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(server)), TSC_OK);
    result.handshake = SSL_connect(ssl) == 1;
    if (result.handshake) {
        result.resumed = SSL_session_reused(ssl);
        if (how & VISIT_EARLY)
            assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
        const char *path = how & VISIT_DENIED ? "/denied" : "/";
        result.answered = client_ask(ssl, path, answer, capacity) > 0;
        result.server_resumed = strstr(answer, "Reused") != NULL;
    }
    ERR_clear_error();
    if (!(how & (VISIT_UNBEGUN | VISIT_UNSAID | VISIT_EARLY))) {
        if (result.answered && !(how & VISIT_DENIED))
            assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
        else
            assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
    }
    if (!(how & VISIT_UNBEGUN))
        assert_int_equal(
            tsc_attempt_info_get(tsc_ssl_attempt(ssl), &result.info, sizeof result.info), TSC_OK);
    if (how & VISIT_SHUTDOWN)
        SSL_shutdown(ssl);
    free(answer);
    client_close(ssl);
    return result;
}

bool client_resumes(SSL_CTX *ctx, const peer *server) {
    visit result = client_visit(ctx, server, 0);
    assert_true(result.answered);
    assert_int_equal(result.resumed, result.server_resumed);
    assert_int_equal(result.resumed, result.info.resumed);
    return result.resumed;
}

tsc_status client_begin(SSL *ssl, const char *host, int port) {
    return tsc_ssl_begin(ssl, host, (uint32_t)port);
}

size_t client_available(SSL_CTX *ctx, const peer *server) {
    tsc_endpoint endpoint = {
        .host = (const uint8_t *)"localhost", .host_len = 9, .port = (uint32_t)peer_port(server)};
    size_t count = 99;
    assert_int_equal(tsc_config_available(tsc_ssl_config(ctx), &endpoint, sizeof endpoint, &count),
                     TSC_OK);
    return count;
}

tsc_stats client_stats(const tsc_cache *cache) {
    tsc_stats stats;
    assert_int_equal(tsc_stats_get(cache, &stats, sizeof stats), TSC_OK);
    return stats;
}

uint64_t client_clock(void *milliseconds) {
    return *(uint64_t *)milliseconds;
}
