#include "direct.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

/* What follows is called by OpenSSL, without the GIL: no Python in it. */

/* When a connection counts as established. */
enum { ACCEPT_DATA, ACCEPT_HANDSHAKE, ACCEPT_CALLER };

/* What decides whom an SSL trusts and cannot be read off it, as a digest. */
enum { UNREAD = 4 };

/* What an SSL_CTX keeps for as long as it lasts. */
typedef struct {
    int on;                /* it is attached */
    int messages_are_lent; /* the message callback is somebody else's, who calls direct_data_came */
    int accept;
    int replaces_sessions;   /* those that the caller sets are not offered */
    int asks_agent;          /* calls may wait for tsc-agent */
    uint64_t unread[UNREAD]; /* see note_unread */
    /* As they were before it was attached. */
    int cache_mode;
    void (*info)(const SSL *, int, int);
    /* Attachments that were detached: another thread may be using them. */
    struct retired {
        tsc_ssl_attachment_ *attachment;
        struct retired *next;
    } * retired;
} settings;

/* What an SSL keeps with its attempt. */
typedef struct {
    tsc_ssl_state_ *state; /* what holds this */
    int accept;
    int messages_are_lent;
    int done;            /* the handshake */
    int open;            /* nobody has said yet how it ended: see claim */
    int nodelay_is_ours; /* the driver did not set TCP_NODELAY */
    uint64_t verification[2 * UNREAD];
    BIO *transport; /* what is watched from the end of the handshake on, or NULL */
    int broken;     /* a read or a write of it has failed */
} connection;

static int settings_index = -1;

static connection *connection_of(const SSL *ssl) {
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    return state != NULL ? state->companion : NULL;
}

/* Whether the caller is the one to say how it ended. One thread may read while another, of a
 * driver's timer, says that the login failed. */
static int claim(connection *of) {
    return __atomic_exchange_n(&of->open, 0, __ATOMIC_ACQ_REL);
}

static void established(SSL *ssl, connection *of) {
    if (claim(of) && tsc_ssl_established(ssl) != TSC_OK)
        __atomic_store_n(&of->open, 1, __ATOMIC_RELEASE); /* too early */
}

/* After the handshake. */
static void failed(const SSL *ssl, connection *of, uint32_t facts) {
    facts |= TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE;
    if (SSL_session_reused(ssl))
        facts |= TSC_FACT_RESUMED;
    tsc_attempt_failed(tsc_ssl_attempt(ssl), facts);
    __atomic_store_n(&of->open, 0, __ATOMIC_RELEASE);
}

/* The SSL itself does not tell: what it does after a failed write differs between OpenSSLs. */
static long on_transport(BIO *transport, int oper, const char *argp, size_t len, int argi,
                         long argl, int ret, size_t *processed) {
    (void)argp, (void)len, (void)argi, (void)argl, (void)processed;
    connection *of = (void *)BIO_get_callback_arg(transport);
    if (oper == BIO_CB_FREE) /* from 3.2 on before what holds the connection */
        of->transport = NULL;
    else if ((oper == (BIO_CB_READ | BIO_CB_RETURN) || oper == (BIO_CB_WRITE | BIO_CB_RETURN)) &&
             ret <= 0 && !BIO_should_retry(transport))
        of->broken = 1;
    return ret;
}

static void watch(const SSL *ssl, connection *of) {
    BIO *transport = SSL_get_rbio(ssl);
    if (transport == NULL || BIO_get_callback_ex(transport) != NULL)
        return;
    of->transport = transport;
    BIO_set_callback_arg(transport, (char *)of);
    BIO_set_callback_ex(transport, on_transport);
}

/* Called where no other thread can be using the transport: inside the SSL, or after it. */
static void unwatch(connection *of) {
    if (of->transport != NULL)
        BIO_set_callback_ex(of->transport, NULL);
    of->transport = NULL;
}

/* Before TLS 1.3 the client speaks last in a resumed handshake. A request after it waits for that
 * message to be acknowledged, unless the socket has TCP_NODELAY, and servers delay that by some
 * 40 ms. */
static void set_nodelay(const SSL *ssl, int on) {
    int fd = SSL_get_fd(ssl);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int has_nodelay(const SSL *ssl) {
    int fd = SSL_get_fd(ssl), on = 0;
    socklen_t size = sizeof on;
    return fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) != 0 || on;
}

static void data_came(SSL *ssl, connection *of) {
    if (of->nodelay_is_ours)
        set_nodelay(ssl, 0);
    of->nodelay_is_ours = 0;
    if (of->accept == ACCEPT_DATA) {
        unwatch(of);
        established(ssl, of);
    }
}

/* Waits for the first application data after the handshake, and is gone with it. In TLS 1.3 a
 * record has been found authentic by then; before that only its header has come. */
static void on_message(int write_p, int version, int content_type, const void *buf, size_t len,
                       SSL *ssl, void *arg) {
    (void)version, (void)arg;
    if (write_p || len == 0 || *(const uint8_t *)buf != SSL3_RT_APPLICATION_DATA ||
        content_type !=
            (SSL_version(ssl) < TLS1_3_VERSION ? SSL3_RT_HEADER : SSL3_RT_INNER_CONTENT_TYPE))
        return;
    connection *of = connection_of(ssl);
    if (of == NULL || !of->done)
        return;
    SSL_set_msg_callback(ssl, NULL);
    data_came(ssl, of);
}

/* Whether an alert is the server's farewell, or what OpenSSL sends when it is gone without one. */
static int is_end(int where, int ret) {
    return where == SSL_CB_READ_ALERT ? (ret & 0xff) == SSL_AD_CLOSE_NOTIFY
                                      : (ret & 0xff) == SSL_AD_DECODE_ERROR;
}

/* tsc_ssl_info calls it after it has done its own part. */
static void on_info(const SSL *info_of, int where, int ret) {
    SSL *ssl = (SSL *)info_of;
    connection *of = SSL_is_server(ssl) ? NULL : connection_of(ssl);
    settings *its = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), settings_index);
    if (of != NULL && (where & SSL_CB_HANDSHAKE_DONE) && !of->done) {
        of->done = 1;
        if (of->accept != ACCEPT_HANDSHAKE)
            watch(ssl, of);
        if (SSL_session_reused(ssl) && SSL_version(ssl) < TLS1_3_VERSION && !has_nodelay(ssl)) {
            of->nodelay_is_ours = 1;
            set_nodelay(ssl, 1);
        }
        if (of->accept == ACCEPT_HANDSHAKE)
            established(ssl, of);
        if (of->accept != ACCEPT_DATA && !of->nodelay_is_ours && !of->messages_are_lent)
            SSL_set_msg_callback(ssl, NULL); /* nobody waits for it */
    } else if (of != NULL && of->done && (where & SSL_CB_ALERT)) {
        if (tsc_ssl_is_fatal_(ssl, where, ret))
            failed(ssl, of, TSC_FACT_ALERT);
        else if (is_end(where, ret) && claim(of))
            failed(ssl, of, 0);
    }
    if (its != NULL && its->info != NULL)
        its->info(ssl, where, ret);
}

/* Before the attempt goes: did the server, or the network, end a connection that was not
 * established? If nobody did, its user has given it up, which says nothing. */
static void connection_free(SSL *ssl, void *companion) {
    connection *of = companion;
    of->state->silent = 0; /* it may have lost a race: who knows that it timed out has said so */
    unwatch(of);
    if (ssl != NULL && of->open && of->done &&
        (of->broken || (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0))
        failed(ssl, of, 0);
    free(of);
}

/* What cannot be read off an SSL, and yet decides whom it trusts: the digest, and which revocation
 * lists there are by now, as OpenSSL may load some while it verifies. A list is known by its
 * signature: it may be long, and this is done for each connection. */
static void note_rest(const SSL *ssl, const settings *its, uint64_t rest[2 * UNREAD]) {
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    for (int i = 0; i < UNREAD; i++)
        rest[i] = __atomic_load_n(&its->unread[i], __ATOMIC_RELAXED);
    memset(rest + UNREAD, 0, UNREAD * sizeof *rest);
    if (store == NULL || !X509_STORE_lock(store))
        return;
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509_OBJECT *one = sk_X509_OBJECT_value(objects, i);
        const ASN1_BIT_STRING *signature = NULL;
        uint64_t digest[EVP_MAX_MD_SIZE / 8] = {1}; /* what counts at the least */
        if (X509_OBJECT_get_type(one) != X509_LU_CRL)
            continue;
        X509_CRL_get0_signature(X509_OBJECT_get0_X509_CRL(one), &signature, NULL);
        EVP_Digest(ASN1_STRING_get0_data(signature), (size_t)ASN1_STRING_length(signature),
                   (uint8_t *)digest, NULL, EVP_sha256(), NULL);
        for (int j = 0; j < UNREAD; j++)
            rest[UNREAD + j] += digest[j];
    }
    X509_STORE_unlock(store);
}

/* Adds the digests of the roots in a store, which OpenSSL sorts as it likes. Returns 0 if it
 * failed. */
static int add_roots(X509_STORE *store, uint64_t sum[UNREAD]) {
    if (store == NULL)
        return 1;
    if (!X509_STORE_lock(store))
        return 0;
    int good = 1;
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    for (int i = 0; good && i < sk_X509_OBJECT_num(objects); i++) {
        X509_OBJECT *one = sk_X509_OBJECT_value(objects, i);
        uint64_t digest[EVP_MAX_MD_SIZE / 8] = {0};
        if (X509_OBJECT_get_type(one) != X509_LU_X509)
            continue; /* see note_rest */
        good = X509_digest(X509_OBJECT_get0_X509(one), EVP_sha256(), (uint8_t *)digest, NULL);
        for (int j = 0; j < UNREAD; j++)
            sum[j] += digest[j];
    }
    X509_STORE_unlock(store);
    return good;
}

/* Reads what new connections go by: the roots that are loaded, and what else was set, in bytes.
 * Contexts of one identity share what they receive only if all of it is the same. */
static void note_unread(SSL_CTX *ctx, settings *its, const void *set, size_t length) {
    static uint64_t failures;
    uint64_t sum[UNREAD] = {0}, digest[UNREAD] = {0};
    tsc_ssl_notes_ notes = {.length = 0};
    if (add_roots(SSL_CTX_get_cert_store(ctx), sum)) {
        tsc_ssl_note_bytes_(&notes, sum, sizeof sum);
        tsc_ssl_note_text_(&notes, set, length);
        tsc_ssl_note_end_(&notes, (uint8_t *)digest);
    } else {
        notes.failed = 1;
    }
    if (notes.failed) { /* then it is like no other */
        memset(digest, 0, sizeof digest);
        digest[0] = __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
        digest[1] = (uint64_t)(uintptr_t)its;
    }
    for (int i = 0; i < UNREAD; i++)
        __atomic_store_n(&its->unread[i], digest[i], __ATOMIC_RELAXED);
}

/* Makes an attempt, and what goes with it. offer: at once, as there is nothing to wait for. */
static tsc_status connection_begin(SSL *ssl, settings *its, const char *host, size_t host_len,
                                   uint32_t port, int offer) {
    connection *of = calloc(1, sizeof *of);
    if (of == NULL)
        return TSC_NO_MEMORY;
    note_rest(ssl, its, of->verification);
    of->accept = its->accept;
    of->messages_are_lent = its->messages_are_lent;
    of->open = 1;
    tsc_endpoint endpoint = {.host = (const uint8_t *)host,
                             .host_len = host_len,
                             .port = port,
                             .verification = (const uint8_t *)of->verification,
                             .verification_len = sizeof of->verification};
    tsc_status status = tsc_ssl_prepare_endpoint(ssl, &endpoint);
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    if (status != TSC_OK || state == NULL) {
        free(of);
        return status;
    }
    of->state = state;
    state->companion = of;
    state->companion_free = connection_free;
    /* Before the handshake: from 3.2 on OpenSSL asks only then. */
    if (!of->messages_are_lent)
        SSL_set_msg_callback(ssl, on_message);
    state->watched = 1; /* by tsc_ssl_info, whoever begins it */
    return offer ? tsc_ssl_offer(ssl) : TSC_OK;
}

/* The peer of a descriptor, as Python writes it; 0 if there is none. */
static size_t peer_of(int fd, char *host, size_t size, uint32_t *port) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
        struct sockaddr_storage room;
    } peer;
    socklen_t length = sizeof peer;
    if (fd < 0 || getpeername(fd, &peer.any, &length) != 0)
        return 0;
    *port = 0;
    if (peer.any.sa_family == AF_UNIX) {
        size_t path =
            length > offsetof(struct sockaddr_un, sun_path)
                ? strnlen(peer.path.sun_path, length - offsetof(struct sockaddr_un, sun_path))
                : 0;
        if (path >= size)
            return 0;
        memcpy(host, peer.path.sun_path, path);
        return path;
    }
    if (peer.any.sa_family != AF_INET && peer.any.sa_family != AF_INET6)
        return 0;
    *port = ntohs(peer.any.sa_family == AF_INET ? peer.v4.sin_port : peer.v6.sin6_port);
    if (getnameinfo(&peer.any, length, host, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
        return 0;
    return strlen(host);
}

/* Whether the caller has set a session to offer, and wants that. pymongo sets what it read when the
 * handshake was over, which in TLS 1.3 cannot resume: its ticket came later. */
static int has_own_session(SSL *ssl, const settings *its) {
    SSL_SESSION *session = SSL_get_session(ssl);
    if (session == NULL || !SSL_SESSION_is_resumable(session))
        return 0;
    return !its->replaces_sessions || SSL_set_session(ssl, NULL) != 1;
}

/* A handshake starts, and nobody began it by hand. The settings are the context's. */
static void on_start(void *arg, SSL *ssl) {
    (void)arg;
    settings *its = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), settings_index);
    char host[1025];
    uint32_t port;
    if (its == NULL || !its->on || has_own_session(ssl, its))
        return;
    size_t length = peer_of(SSL_get_fd(ssl), host, sizeof host, &port);
    if (length > 0)
        connection_begin(ssl, its, host, length, port, 1);
}

static void settings_free(void *ctx, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
                          void *argp) {
    (void)ctx, (void)data, (void)index, (void)argl, (void)argp;
    settings *its = ptr;
    if (its == NULL)
        return;
    while (its->retired != NULL) {
        struct retired *one = its->retired;
        its->retired = one->next;
        tsc_ssl_attachment_free_(one->attachment);
        free(one);
    }
    free(its);
}

/* What follows is called from Python, with the GIL. */

static PyTypeObject *context_type, *socket_type; /* NULL until the check has passed */

static PyObject *not_direct(void) {
    PyErr_SetString(PyExc_TypeError, "not an object of _ssl, or not a usable one");
    return NULL;
}

static SSL_CTX *ctx_of(PyObject *context) {
    return context_type != NULL && PyObject_TypeCheck(context, context_type)
               ? ((ssl_context *)context)->ctx
               : NULL;
}

/* The SSL of a _ssl._SSLSocket, which every SSLSocket and SSLObject has as `_sslobj`. */
static SSL *ssl_of(PyObject *object) {
    if (socket_type == NULL || Py_TYPE(object) != socket_type)
        return NULL;
    SSL *ssl = ((ssl_socket *)object)->ssl;
    return ssl != NULL && SSL_get_ex_data(ssl, 0) == object ? ssl : NULL;
}

static settings *settings_of(SSL_CTX *ctx) {
    return settings_index >= 0 && ctx != NULL ? SSL_CTX_get_ex_data(ctx, settings_index) : NULL;
}

/* Around what may wait for tsc-agent: other threads run meanwhile. Where nothing is shared the GIL
 * stays, since whoever gives it up may be long in getting it back. */
static PyThreadState *give_up_gil(const SSL *ssl) {
    const settings *its = settings_of(SSL_get_SSL_CTX(ssl));
    return its != NULL && its->asks_agent ? PyEval_SaveThread() : NULL;
}

static void take_gil(PyThreadState *thread) {
    if (thread != NULL)
        PyEval_RestoreThread(thread);
}

/* Whether an object is at least so large, by what its type says; -1 if it raised. */
static int has_size(PyObject *object, size_t size) {
    PyObject *said = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__basicsize__");
    if (said == NULL)
        return -1;
    size_t has = PyLong_AsSize_t(said);
    Py_DECREF(said);
    return PyErr_Occurred() ? -1 : has >= size;
}

PyObject *direct_check(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *function, *context, *socket;
    const char *version;
    unsigned long long options;
    if (!PyArg_ParseTuple(args, "OOOsK", &function, &context, &socket, &version, &options))
        return NULL;
    int is_context = has_size(context, sizeof(ssl_context));
    int is_socket = has_size(socket, sizeof(ssl_socket));
    if (is_context < 0 || is_socket < 0)
        return NULL;
    if (!is_context || !is_socket)
        return PyUnicode_FromString("the objects of _ssl are smaller than they were known to be");
    lock_shared(); /* one at a time: what it finds is kept */
    const char *reason =
        openssl_find(function, (ssl_context *)context, (ssl_socket *)socket, version, options);
    if (reason == NULL && settings_index < 0) {
        settings_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, settings_free);
        if (settings_index < 0)
            reason = "libssl has no room for more data";
    }
    unlock_shared();
    if (reason != NULL)
        return PyUnicode_FromString(reason);
    Py_INCREF(Py_TYPE(context));
    Py_INCREF(Py_TYPE(socket));
    context_type = Py_TYPE(context);
    socket_type = Py_TYPE(socket);
    Py_RETURN_NONE;
}

/* It may have been attached before. */
static tsc_status attach(SSL_CTX *ctx, const Cache *cache, const tsc_config_options *options,
                         int accept, int serialise, int replaces_sessions) {
    settings *its = settings_of(ctx);
    if (its == NULL) {
        its = calloc(1, sizeof *its);
        if (its == NULL || !SSL_CTX_set_ex_data(ctx, settings_index, its)) {
            free(its);
            return TSC_NO_MEMORY;
        }
    }
    int cache_mode = (int)SSL_CTX_get_session_cache_mode(ctx);
    tsc_status status =
        tsc_ssl_attach(ctx, cache->cache, options, serialise ? TSC_SSL_SERIALISE : 0);
    if (status != TSC_OK)
        return status;
    its->cache_mode = cache_mode;
    its->info = SSL_CTX_get_info_callback(ctx);
    its->accept = accept;
    its->replaces_sessions = replaces_sessions;
    its->asks_agent = cache->shares && serialise && options->identity != NULL;
    its->on = 1;
    SSL_CTX_set_info_callback(ctx, on_info);
    return tsc_ssl_on_start(ctx, on_start, NULL);
}

PyObject *direct_attach(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *context;
    Cache *cache;
    const char *identity;
    Py_ssize_t identity_len;
    long long client_not_after;
    int accept, serialise, replaces_sessions, share_client_certificate;
    if (!PyArg_ParseTuple(args, "OO!z#Lippp", &context, CacheType, &cache, &identity, &identity_len,
                          &client_not_after, &accept, &serialise, &replaces_sessions,
                          &share_client_certificate))
        return NULL;
    SSL_CTX *ctx = ctx_of(context);
    if (ctx == NULL)
        return not_direct();
    tsc_config_options options = {
        .client_not_after = client_not_after,
        .identity = (const uint8_t *)identity,
        .identity_len = (size_t)identity_len,
        .flags = share_client_certificate ? TSC_CONFIG_SHARE_CLIENT_CERTIFICATE : 0};
    tsc_status status;
    BEGIN_ALONE(context);
    status = attach(ctx, cache, &options, accept, serialise, replaces_sessions);
    END_ALONE;
    return none_or_raise(status);
}

/* OpenSSL looks whether there is a callback, and looks again to call it. So there stays one. */
static int no_new_session(SSL *ssl, SSL_SESSION *session) {
    (void)ssl, (void)session;
    return 0;
}

static tsc_status detach(SSL_CTX *ctx) {
    settings *its = settings_of(ctx);
    tsc_ssl_attachment_ *attachment = ctx == NULL ? NULL : tsc_ssl_attachment_of_(ctx);
    if (its == NULL || !its->on || attachment == NULL)
        return TSC_WRONG_STATE;
    struct retired *one = malloc(sizeof *one);
    if (one == NULL)
        return TSC_NO_MEMORY;
    its->on = 0;
    *one = (struct retired){attachment, its->retired};
    its->retired = one;
    SSL_CTX_set_info_callback(ctx, its->info);
    SSL_CTX_sess_set_new_cb(ctx, attachment->next_new_session != NULL ? attachment->next_new_session
                                                                      : no_new_session);
    SSL_CTX_set_session_cache_mode(ctx, its->cache_mode);
    SSL_CTX_set_ex_data(ctx, (int)tsc_ssl_index_(&tsc_ssl_attachment_index_, 0) - 1, NULL);
    return TSC_OK;
}

/* Connections that are open go on without: what they still receive is not kept. */
PyObject *direct_detach(PyObject *Py_UNUSED(module), PyObject *context) {
    tsc_status status;
    BEGIN_ALONE(context);
    status = detach(ctx_of(context));
    END_ALONE;
    return none_or_raise(status);
}

static const tsc_config *config_of(PyObject *context) {
    SSL_CTX *ctx = ctx_of(context);
    return ctx != NULL && tsc_ssl_attachment_of_(ctx) != NULL ? tsc_ssl_config(ctx) : NULL;
}

PyObject *direct_export(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *context, *made = NULL;
    const char *key;
    Py_ssize_t key_len;
    if (!PyArg_ParseTuple(args, "Oy#", &context, &key, &key_len))
        return NULL;
    const tsc_config *config = config_of(context);
    if (config == NULL)
        return not_direct();
    uint8_t *sealed = NULL;
    size_t len = 0, room = 0;
    tsc_status status;
    for (;;) { /* first for the length; again if other threads store meanwhile */
        status = tsc_config_export(config, (const uint8_t *)key, (size_t)key_len, sealed, room,
                                   &len, NULL);
        if (status != TSC_TOO_SMALL && (status != TSC_OK || sealed != NULL))
            break;
        free(sealed);
        room = len + len / 8;
        sealed = malloc(room);
        if (sealed == NULL)
            return PyErr_NoMemory();
    }
    if (status == TSC_OK)
        made = PyBytes_FromStringAndSize((const char *)sealed, (Py_ssize_t)len);
    free(sealed);
    return status == TSC_OK ? made : raise_status(status);
}

PyObject *direct_import(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *context;
    const char *key, *sealed;
    Py_ssize_t key_len, sealed_len;
    size_t count = 0;
    if (!PyArg_ParseTuple(args, "Oy#y#", &context, &key, &key_len, &sealed, &sealed_len))
        return NULL;
    const tsc_config *config = config_of(context);
    if (config == NULL)
        return not_direct();
    tsc_status status = tsc_config_import(config, (const uint8_t *)key, (size_t)key_len,
                                          (const uint8_t *)sealed, (size_t)sealed_len, &count);
    return status == TSC_OK ? PyLong_FromSize_t(count) : raise_status(status);
}

/* Somebody set what cannot be read: all of it, in bytes. */
PyObject *direct_set(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *context;
    const char *set;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "Oy#", &context, &set, &length))
        return NULL;
    SSL_CTX *ctx = ctx_of(context);
    settings *its = settings_of(ctx);
    BEGIN_ALONE(context);
    if (its != NULL)
        note_unread(ctx, its, set, (size_t)length);
    END_ALONE;
    Py_RETURN_NONE;
}

PyObject *direct_lend_messages(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *context;
    int lend;
    if (!PyArg_ParseTuple(args, "Op", &context, &lend))
        return NULL;
    settings *its = settings_of(ctx_of(context));
    if (its != NULL)
        its->messages_are_lent = lend;
    Py_RETURN_NONE;
}

PyObject *direct_data_came(PyObject *Py_UNUSED(module), PyObject *object) {
    SSL *ssl = ssl_of(object);
    connection *of = ssl == NULL ? NULL : connection_of(ssl);
    if (of != NULL) {
        PyThreadState *thread = give_up_gil(ssl);
        data_came(ssl, of);
        take_gil(thread);
    }
    Py_RETURN_NONE;
}

/* Begins an attempt for an endpoint that somebody names, and offers nothing yet. Gives whether
 * there is one. */
PyObject *direct_prepare(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *object;
    const char *host;
    Py_ssize_t host_len;
    unsigned int port;
    if (!PyArg_ParseTuple(args, "Os#I", &object, &host, &host_len, &port))
        return NULL;
    SSL *ssl = ssl_of(object);
    if (ssl == NULL)
        return not_direct();
    settings *its = settings_of(SSL_get_SSL_CTX(ssl));
    if (its == NULL || !its->on || SSL_is_server(ssl) || has_own_session(ssl, its))
        Py_RETURN_FALSE;
    return PyBool_FromLong(connection_begin(ssl, its, host, (size_t)host_len, port, 0) == TSC_OK);
}

/* The peer of a socket's descriptor, or None. */
PyObject *direct_peer(PyObject *Py_UNUSED(module), PyObject *object) {
    SSL *ssl = ssl_of(object);
    char host[1025];
    uint32_t port;
    if (ssl == NULL)
        return not_direct();
    size_t length = peer_of(SSL_get_fd(ssl), host, sizeof host, &port);
    if (length == 0)
        Py_RETURN_NONE;
    return Py_BuildValue("s#I", host, (Py_ssize_t)length, port);
}

/* Gives the attempt that was prepared on one connection to another that would have prepared the
 * same. Gives whether it would. */
PyObject *direct_hand_over(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *from, *to;
    if (!PyArg_ParseTuple(args, "OO", &from, &to))
        return NULL;
    SSL *prepared = ssl_of(from), *ssl = ssl_of(to);
    if (prepared == NULL || ssl == NULL)
        return not_direct();
    int index = (int)tsc_ssl_index_(&tsc_ssl_state_index_, 0) - 1;
    tsc_ssl_state_ *state = tsc_ssl_state_of_(prepared);
    settings *its = settings_of(SSL_get_SSL_CTX(ssl));
    uint64_t rest[2 * UNREAD];
    if (state == NULL || state->offered != NULL || tsc_ssl_state_of_(ssl) != NULL || its == NULL ||
        !its->on || has_own_session(ssl, its) || !tsc_ssl_is_as_begun_(ssl, state))
        Py_RETURN_FALSE;
    note_rest(ssl, its, rest);
    if (memcmp(rest, ((connection *)state->companion)->verification, sizeof rest) != 0 ||
        !SSL_set_ex_data(ssl, index, state))
        Py_RETURN_FALSE;
    SSL_set_ex_data(prepared, index, NULL);
    if (!((connection *)state->companion)->messages_are_lent)
        SSL_set_msg_callback(ssl, on_message);
    Py_RETURN_TRUE;
}

PyObject *direct_offer(PyObject *Py_UNUSED(module), PyObject *object) {
    SSL *ssl = ssl_of(object);
    if (ssl == NULL)
        return not_direct();
    PyThreadState *thread = give_up_gil(ssl);
    tsc_ssl_offer(ssl);
    take_gil(thread);
    Py_RETURN_NONE;
}

PyObject *direct_wait_fd(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *object;
    unsigned int max_wait_ms;
    int32_t fd;
    if (!PyArg_ParseTuple(args, "OI", &object, &max_wait_ms))
        return NULL;
    SSL *ssl = ssl_of(object);
    if (ssl == NULL)
        return not_direct();
    PyThreadState *thread = give_up_gil(ssl);
    tsc_status status = tsc_attempt_wait_fd(tsc_ssl_attempt(ssl), max_wait_ms, &fd);
    take_gil(thread);
    return status == TSC_WAIT ? PyLong_FromLong(fd) : none_or_raise(status);
}

PyObject *direct_established(PyObject *Py_UNUSED(module), PyObject *object) {
    SSL *ssl = ssl_of(object);
    if (ssl == NULL)
        return not_direct();
    connection *of = connection_of(ssl);
    if (of != NULL) {
        PyThreadState *thread = give_up_gil(ssl);
        established(ssl, of);
        take_gil(thread);
    }
    Py_RETURN_NONE;
}

/* cancelled: this process gave up, and that says nothing of the server. */
PyObject *direct_failed(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *object;
    int cancelled;
    if (!PyArg_ParseTuple(args, "Op", &object, &cancelled))
        return NULL;
    SSL *ssl = ssl_of(object);
    if (ssl == NULL)
        return not_direct();
    connection *of = connection_of(ssl);
    if (of != NULL && claim(of)) {
        tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
        PyThreadState *thread = give_up_gil(ssl);
        if (cancelled && !tsc_ssl_unsent_(ssl, state))
            tsc_attempt_failed(state->attempt, TSC_FACT_SENT | TSC_FACT_CANCELLED);
        else
            tsc_ssl_failed(ssl);
        take_gil(thread);
        state->silent = 0;
    }
    Py_RETURN_NONE;
}

/* The driver has set TCP_NODELAY as it wishes. */
PyObject *direct_keep_nodelay(PyObject *Py_UNUSED(module), PyObject *object) {
    SSL *ssl = ssl_of(object);
    connection *of = ssl == NULL ? NULL : connection_of(ssl);
    if (of != NULL)
        of->nodelay_is_ours = 0;
    Py_RETURN_NONE;
}

PyObject *direct_reason(PyObject *Py_UNUSED(module), PyObject *object) {
    SSL *ssl = ssl_of(object);
    tsc_attempt_info info = {0};
    if (ssl == NULL)
        return not_direct();
    const tsc_attempt *attempt = tsc_ssl_attempt(ssl);
    if (attempt == NULL)
        Py_RETURN_NONE;
    tsc_status status = tsc_attempt_info_get(attempt, &info, sizeof info);
    return status == TSC_OK ? Py_BuildValue("z", reason_name(info.reason)) : raise_status(status);
}
