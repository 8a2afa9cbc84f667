/* storm.h: what the storm's client asks of a TLS stack. openssl.c and rustls.c answer; client.c
   connects and measures. Also what client and server have to agree on. */

#ifndef STORM_H
#define STORM_H

#include "tsc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* The login: the client says LOGIN, and the server how it saw the handshake. */
#define LOGIN "login\n"
#define ANSWER_FULL "full   \n"
#define ANSWER_RESUMED "resumed\n"
enum { LOGIN_LEN = sizeof LOGIN - 1, ANSWER_LEN = sizeof ANSWER_FULL - 1 };

/* What a client does about sessions. */
enum mode {
    MODE_NONE,  /* nothing: every handshake is a full one */
    MODE_OWN,   /* what comes with the stack, or what drivers write for it */
    MODE_BURST, /* libtsc, every connection at once */
    MODE_WAIT,  /* libtsc, waiting for tickets that are on their way */
    MODE_REUSE, /* the same with TSC_REUSE_WHEN_DRY */
    MODES
};

/* One server. */
struct node {
    size_t index;
    char host[40]; /* an address, which its certificate carries */
    uint16_t port;
};

/* What configurations are made of. */
struct setting {
    uint16_t version; /* 0x0303 or 0x0304 */
    size_t nodes;
    const char *cafile;
    const char *client_cert, *client_key;
};

enum progress {
    PROGRESS_PENDING, /* the socket has nothing more to give */
    PROGRESS_UP,      /* the login was answered */
    PROGRESS_FAILED,  /* see storm_error */
};

/* Why the latest call failed, as one line. */
extern char storm_error[256];

struct tls_config;
struct tls;

struct tls_stack {
    /* Its name and version. */
    const char *(*name)(void);

    /* A configuration with nothing in its cache yet. cache: for those modes that use libtsc; a
       disabled one for MODE_NONE. NULL: see storm_error. */
    struct tls_config *(*config_new)(enum mode mode, const struct setting *setting,
                                     const tsc_cache *cache);
    void (*config_free)(struct tls_config *config);

    /* A connection over a connected socket that does not block and stays the caller's. Nothing is
       sent and no session taken yet. NULL: see storm_error. */
    struct tls *(*prepare)(struct tls_config *config, const struct node *node, int fd);
    /* What to wait with; NULL if libtsc has no part in this connection. */
    const tsc_attempt *(*attempt)(const struct tls *tls);
    /* Takes a session, if there is one. The last thing before the first drive. */
    bool (*begin)(struct tls *tls);
    /* Goes on with handshake and login until the socket blocks or the answer is there, and tells
       libtsc how it ended. answer: gets ANSWER_LEN bytes. */
    enum progress (*drive)(struct tls *tls, char *answer);
    /* Says close_notify and frees. */
    void (*close)(struct tls *tls);
};

extern const struct tls_stack openssl_stack, rustls_stack;

/* A pool of 256 connections to each of 8 nodes needs more files than a process has by default. */
static inline void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

#endif
