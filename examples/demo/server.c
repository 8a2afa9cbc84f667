/* The demo's TLS server. Runs a command and serves for as long as that command lives:

       demo_server COMMAND [ARGUMENT...]

   The command finds in its environment SERVER (host:port), SERVER_NAME and CAFILE, and its exit
   status is that of the whole. The server speaks TLS 1.2 and 1.3 on a free port of 127.0.0.1 with
   certificates made on the spot, issues tickets as OpenSSL does by default, and answers the first
   thing that a client says by saying it too. */

#include "../certificate.h"

#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static SSL_CTX *new_context(X509 **ca) {
    EVP_PKEY *ca_key = new_p256_key(), *key = new_p256_key();
    *ca = new_certificate("libtsc demo CA", ca_key, NULL, ca_key, "critical,CA:TRUE", NULL);
    X509 *cert = new_certificate("localhost", key, *ca, ca_key, "critical,CA:FALSE",
                                 "DNS:localhost,IP:127.0.0.1");
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    check(ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
              SSL_CTX_use_certificate(ctx, cert) && SSL_CTX_use_PrivateKey(ctx, key),
          "configuring TLS");
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return ctx;
}

/* Writes the CA's certificate to a new temporary file, whose name goes into path. */
static void write_ca(X509 *ca, char *path, size_t size) {
    const char *dir = getenv("TMPDIR");
    int length = snprintf(path, size, "%s/tsc-demo-ca.XXXXXX", dir && *dir ? dir : "/tmp");
    check(length > 0 && (size_t)length < size, "TMPDIR is too long");
    int fd = mkstemp(path);
    check(fd >= 0, path);
    FILE *file = fdopen(fd, "w");
    check(file && PEM_write_X509(file, ca) && fclose(file) == 0, path);
}

static int listen_on_loopback(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    check(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 1024) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &length) == 0,
          "listening on 127.0.0.1");
    *port = ntohs(address.sin_port);
    return fd;
}

struct connection {
    SSL_CTX *ctx;
    int fd;
};

/* One connection, one exchange. What goes wrong here is for the client to notice. */
static void *serve(void *argument) {
    SSL_CTX *ctx = ((struct connection *)argument)->ctx;
    int fd = ((struct connection *)argument)->fd;
    free(argument);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    char text[4096];
    int length = 0;
    SSL *ssl = SSL_new(ctx);
    if (ssl && SSL_set_fd(ssl, fd) && SSL_accept(ssl) == 1 &&
        (length = SSL_read(ssl, text, sizeof text)) > 0 && SSL_write(ssl, text, length) > 0) {
        while (SSL_read(ssl, text, sizeof text) > 0) /* until the client closes */
            ;
        SSL_shutdown(ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    return NULL;
}

/* Serves a connection in a thread of its own: a client may have several in its hands. */
static void begin(SSL_CTX *ctx, int fd) {
    struct connection *connection = malloc(sizeof *connection);
    pthread_t thread;
    if (connection)
        *connection = (struct connection){ctx, fd};
    if (!connection || pthread_create(&thread, NULL, serve, connection) != 0) {
        free(connection);
        close(fd);
        return;
    }
    pthread_detach(thread);
}

/* Serves until the other end of life, which only the command and its children hold, is closed. */
static void serve_until_orphaned(SSL_CTX *ctx, int listener, int life) {
    struct pollfd polled[] = {{.fd = listener, .events = POLLIN}, {.fd = life, .events = POLLIN}};
    for (;;) {
        if (poll(polled, 2, -1) < 0)
            continue;
        if (polled[1].revents)
            return;
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0)
            begin(ctx, fd);
    }
}

int main(int argc, char **argv) {
    (void)argc;
    if (argv[1] == NULL) {
        fprintf(stderr, "usage: demo_server COMMAND [ARGUMENT...]\n");
        return 2;
    }
    X509 *ca;
    SSL_CTX *ctx = new_context(&ca);
    char cafile[4096];
    write_ca(ca, cafile, sizeof cafile);
    X509_free(ca);
    uint16_t port;
    int listener = listen_on_loopback(&port);
    int life[2];
    check(pipe(life) == 0, "pipe");

    /* The child serves and this process becomes the command: its exit status and the signals of the
       terminal need no passing on, and the server cannot outlive it. */
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        close(life[1]);
        signal(SIGPIPE, SIG_IGN);
        /* What ends the command ends this, by way of the pipe, and then the file is removed. */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        serve_until_orphaned(ctx, listener, life[0]);
        unlink(cafile);
        _exit(0); /* without waiting for the threads that still serve */
    }
    close(life[0]);
    close(listener);
    char server[32];
    snprintf(server, sizeof server, "127.0.0.1:%u", port);
    setenv("SERVER", server, 1);
    setenv("SERVER_NAME", "localhost", 1);
    setenv("CAFILE", cafile, 1);
    execvp(argv[1], argv + 1);
    check(false, argv[1]);
}
