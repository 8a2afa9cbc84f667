/* tcp.h: a TCP connection to a server, for the examples. Nothing about TLS or libtsc is here. */

#ifndef TCP_H
#define TCP_H

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Looks an address up. On failure says why on stderr and returns NULL. */
static inline struct addrinfo *tcp_resolve(const char *host, const char *port) {
    struct addrinfo *addresses = NULL;
    int error = getaddrinfo(host, port,
                            &(struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM},
                            &addresses);
    if (error != 0) {
        fprintf(stderr, "cannot look up %s, port %s: %s\n", host, port, gai_strerror(error));
        return NULL;
    }
    return addresses;
}

/* Connects to the first address that answers. Returns a socket, or -1 and errno. */
static inline int tcp_open(const struct addrinfo *address) {
    int error = EADDRNOTAVAIL;
    for (; address != NULL; address = address->ai_next) {
        int fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
        if (fd < 0) {
            error = errno;
            continue;
        }
        /* A resumed TLS 1.2 handshake ends with the client's message, and the first request follows
           at once: without TCP_NODELAY it waits for the server's delayed ACK, some 40 ms. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        /* A server that falls silent is an error, not a hang. */
        struct timeval patience = {.tv_sec = 5};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
            return fd;
        /* What a connect that took too long says of SO_SNDTIMEO. */
        error = errno == EINPROGRESS ? ETIMEDOUT : errno;
        close(fd);
    }
    errno = error;
    return -1;
}

/* Both in one. Returns a socket, or -1 after saying why on stderr. */
static inline int tcp_connect(const char *host, const char *port) {
    struct addrinfo *addresses = tcp_resolve(host, port);
    if (addresses == NULL)
        return -1;
    int fd = tcp_open(addresses);
    if (fd < 0)
        fprintf(stderr, "cannot connect to %s, port %s: %s\n", host, port, strerror(errno));
    freeaddrinfo(addresses);
    return fd;
}

#endif
