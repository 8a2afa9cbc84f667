/* demo.h: what the demo's client asks of a TLS stack. openssl.c and rustls.c answer; client.c
   connects and measures. */

#ifndef DEMO_H
#define DEMO_H

#include "tsc.h"

#include <stddef.h>
#include <stdint.h>

/* The server to talk to. */
struct target {
    const char *host;
    const char *port;
    const char *server_name; /* what its certificate is checked against */
    const char *cafile;      /* PEM; NULL: the system's trust roots */
};

/* How a connection attempt ended. */
enum outcome {
    OUTCOME_FULL,
    OUTCOME_RESUMED,
    OUTCOME_NOT_SET_UP,  /* no attempt was made, for want of a TLS configuration */
    OUTCOME_UNREACHABLE, /* no TCP connection */
    OUTCOME_NOT_SPOKEN,  /* the server does not speak this TLS version */
    OUTCOME_NOT_TRUSTED, /* its certificate was not accepted */
    OUTCOME_BROKEN,      /* any other failure */
    /* What the stack cannot see: */
    OUTCOME_NO_SESSIONS, /* the server gave nothing to resume by */
    OUTCOME_NOT_ALL,     /* some connections that could have resumed did not */
};

/* Why the latest call failed, as one line; empty if it did not. */
extern char demo_error[256];

struct tls_config;
struct tls;

struct tls_stack {
    /* Its name and version, as the table shows it. */
    const char *(*name)(void);

    /* A configuration for one TLS version (0x0303 or 0x0304), attached to the cache. NULL: see
       demo_error. */
    struct tls_config *(*config_new)(const tsc_cache *cache, uint16_t version,
                                     const struct target *target);
    void (*config_free)(struct tls_config *config);

    /* Does the handshake over a connected socket, which stays the caller's, and tells libtsc how it
       ended. To be closed whatever the outcome. */
    struct tls *(*open)(struct tls_config *config, const struct target *target, int fd,
                        enum outcome *outcome);
    /* Whether everything was sent. */
    int (*write)(struct tls *tls, const char *data, size_t len);
    /* Above 0: so many bytes. 0: the connection is over, in the regular way if demo_error is empty.
       -1: nothing yet; the socket's timeout has passed, or it does not block. */
    int (*read)(struct tls *tls, char *buf, size_t cap);
    /* Says close_notify and frees. */
    void (*close)(struct tls *tls);
};

extern const struct tls_stack openssl_stack, rustls_stack;

#endif
