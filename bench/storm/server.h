/* server.h: what the storm's servers ask of a TLS stack. server_openssl.c and server_gnutls.c
   answer. */

#ifndef STORM_SERVER_H
#define STORM_SERVER_H

#include "storm.h"

/* How the servers treat their clients. */
struct manner {
    unsigned full, resumed; /* TLS 1.3 tickets per handshake */
    const char *sessions;   /* see server.c */
    bool client_cert;
    const char *cafile, *cert, *key; /* PEM files */
};

struct context;
struct service;

struct server_stack {
    const char *name;
    /* Whether it can behave so. */
    bool (*can)(const struct manner *manner);
    /* What a server makes when it starts, with new ticket keys. Never NULL. */
    struct context *(*context_new)(const struct manner *manner);
    /* Connections that it has live on. */
    void (*context_free)(struct context *context);

    /* A connection over an accepted socket that does not block and stays the caller's. */
    struct service *(*service_new)(struct context *context, int fd);
    /* Goes on until the socket blocks: shakes hands, answers the first thing that the client says,
       and ignores the rest. False: the connection is over. What goes wrong is for the client to
       notice. */
    bool (*serve)(struct service *service);
    void (*service_free)(struct service *service);
};

extern const struct server_stack openssl_server, gnutls_server;

#endif
