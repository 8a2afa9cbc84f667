// tsc_ssl_on_start: an SSL_CTX whose SSLs are made by a client library that does not show them.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

static const peer_manner TLS12 = {.tls_version = TLS1_2_VERSION};
static const peer_manner TLS13 = {.tls_version = TLS1_3_VERSION, .tickets = 2};

// A driver on such a library.
typedef struct {
    tsc_cache *cache;
    SSL_CTX *ctx;
    peer *server;
    SSL *noted;
    int begun;
} driver;

static void begin(void *arg, SSL *ssl) {
    driver *self = (driver *)arg;
    self->noted = ssl;
    self->begun++;
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(self->server)), TSC_OK);
    ERR_put_error(ERR_LIB_SSL, 0, SSL_R_BAD_LENGTH, "", 0); // as a careless callback might
}

static driver *set_up(peer_manner manner) {
    driver *it = calloc(1, sizeof *it);
    it->ctx = client_context();
    it->server = peer_own(manner);
    assert_int_equal(tsc_cache_new(NULL, 0, &it->cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it->ctx, it->cache, NULL, 0), TSC_OK);
    assert_int_equal(tsc_ssl_on_start(it->ctx, begin, it), TSC_OK);
    return it;
}

static void tear_down(driver *it) {
    SSL_CTX_free(it->ctx);
    free_cache(it->cache);
    peer_free(it->server);
    free(it);
}

// What the library does in one go. NULL: there is no connection, and no SSL any more.
static SSL *library_connect(driver *it) {
    SSL *ssl = client_ssl(it->ctx, client_dial(peer_port(it->server)));
    if (SSL_connect(ssl) == 1)
        return ssl;
    ERR_clear_error();
    client_close(ssl);
    return NULL;
}

// A whole connection. Gives whether it was resumed, says the server.
static bool resumes(driver *it) {
    char answer[256];
    SSL *ssl = library_connect(it);
    assert_non_null(ssl);
    assert_ptr_equal(ssl, it->noted);
    assert_int_equal(ERR_peek_error(), 0);
    assert_true(client_ask(ssl, "/", answer, sizeof answer) > 0);
    assert_int_equal(tsc_ssl_established(it->noted), TSC_OK);
    client_close(ssl);
    return strstr(answer, "Reused") != NULL;
}

static void reconnects_resume(void **state) {
    (void)state;
    static const peer_manner *const manners[] = {&TLS12, &TLS13};
    for (int i = 0; i < 2; i++) {
        driver *it = set_up(*manners[i]);
        assert_false(resumes(it));
        for (int round = 0; round < 4; round++)
            assert_true(resumes(it));
        assert_int_equal(it->begun, 5);
        assert_int_equal(client_stats(it->cache).resumed, 4);
        assert_int_equal(client_stats(it->cache).unfinished, 0);
        tear_down(it);
    }
}

// The library frees the SSL of a failed handshake; its lineage goes, and nobody had to say so.
static void a_failed_handshake_is_noticed(void **state) {
    (void)state;
    peer_manner harmful = TLS13;
    harmful.harm = PEER_RESETS;
    driver *it = set_up(harmful);
    assert_false(resumes(it));
    assert_int_equal(client_available(it->ctx, it->server), 2);
    assert_null(library_connect(it));
    assert_int_equal(client_available(it->ctx, it->server), 0);
    assert_int_equal(client_stats(it->cache).failed, 1);
    assert_int_equal(client_stats(it->cache).unfinished, 0);
    assert_false(resumes(it));
    tear_down(it);
}

// A server that hangs: the library loses patience and frees the SSL in the middle of the handshake.
// That goes for a failure too, or the session that did it would be offered again and again.
static void a_handshake_that_is_given_up_is_noticed(void **state) {
    (void)state;
    static const struct timeval moment = {0, 50000};
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        peer_manner harmful = {.tls_version = versions[i], .tickets = 2, .harm = PEER_HANGS};
        driver *it = set_up(harmful);
        assert_false(resumes(it));
        assert_true(client_available(it->ctx, it->server) > 0);
        SSL *ssl = client_ssl(it->ctx, client_dial(peer_port(it->server)));
        setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
        int answer = SSL_connect(ssl);
        assert_int_equal(SSL_get_error(ssl, answer), SSL_ERROR_WANT_READ);
        ERR_clear_error();
        // It might still have come to something.
        assert_int_equal(client_stats(it->cache).failed, 0);
        client_close(ssl);
        assert_int_equal(client_stats(it->cache).failed, 1);
        assert_int_equal(client_stats(it->cache).unfinished, 0);
        assert_int_equal(client_available(it->ctx, it->server), 0);
        assert_false(resumes(it));
        tear_down(it);
    }
}

// Where not even the TCP connection came to be, the server is not to blame, nor the session.
static void what_was_given_up_unsent_is_no_failure(void **state) {
    (void)state;
    char address[32];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    driver *it = set_up(TLS13);
    assert_false(resumes(it));
    // One connection fills its queue.
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&here, length), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&here, &length), 0);
    int first = client_dial(ntohs(here.sin_port));
    assert_true(first >= 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(here.sin_port));
    SSL *ssl = client_ssl(it->ctx, -1);
    BIO *transport = BIO_new_connect(address);
    BIO_set_nbio(transport, 1);
    SSL_set_bio(ssl, transport, transport);
    int answer = SSL_connect(ssl);
    assert_int_equal(SSL_get_error(ssl, answer), SSL_ERROR_WANT_CONNECT);
    ERR_clear_error();
    SSL_free(ssl);
    assert_int_equal(client_stats(it->cache).failed, 0);
    assert_true(client_available(it->ctx, it->server) >= 1);
    close(first);
    close(listener);
    tear_down(it);
}

// So does one that the client breaks off, because of the name.
static void a_failed_verification_is_noticed(void **state) {
    (void)state;
    driver *it = set_up(TLS13);
    SSL *ssl = client_ssl(it->ctx, client_dial(peer_port(it->server)));
    SSL_set1_host(ssl, "other.example");
    assert_int_equal(SSL_connect(ssl), -1);
    // What the handshake left in the queue is for the library to read.
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_CERTIFICATE_VERIFY_FAILED);
    ERR_clear_error();
    assert_int_equal(client_stats(it->cache).failed, 1);
    client_close(ssl);
    assert_int_equal(client_available(it->ctx, it->server), 0);
    tear_down(it);
}

// A connection that was never made gives its ticket back.
static void what_was_not_sent_goes_back(void **state) {
    (void)state;
    driver *it = set_up(TLS13);
    assert_false(resumes(it));
    SSL *ssl = client_ssl(it->ctx, -1);
    BIO *transport = BIO_new_connect("127.0.0.1");
    peer_halt(it->server);
    char port[8];
    snprintf(port, sizeof port, "%d", peer_port(it->server));
    BIO_set_conn_port(transport, port);
    SSL_set_bio(ssl, transport, transport);
    assert_int_equal(SSL_connect(ssl), -1);
    ERR_clear_error();
    assert_int_equal(client_available(it->ctx, it->server), 2);
    SSL_free(ssl);
    assert_int_equal(client_available(it->ctx, it->server), 2);
    tear_down(it);
}

// A handshake that has to wait for its transport, and be called again, has not failed.
static void a_handshake_that_goes_on_has_not_failed(void **state) {
    (void)state;
    driver *it = set_up(TLS13);
    assert_false(resumes(it));
    const size_t tickets = client_available(it->ctx, it->server);
    SSL *ssl = client_ssl(it->ctx, -1);
    BIO *socket = BIO_new_socket(client_dial(peer_port(it->server)), BIO_CLOSE);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    assert_int_equal(SSL_connect(ssl), -1);
    assert_int_equal(SSL_connect(ssl), -1);
    assert_int_equal(SSL_want(ssl), SSL_READING);
    // What has gathered goes to the server, and the rest is between the two.
    char *hello;
    long length = BIO_get_mem_data(SSL_get_wbio(ssl), &hello);
    assert_int_equal(BIO_write(socket, hello, (int)length), length);
    SSL_set_bio(ssl, socket, socket);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(it->begun, 2);
    assert_true(SSL_session_reused(ssl));
    // Nor has it if nobody says what became of it: the lineage stays.
    SSL_free(ssl);
    assert_int_equal(client_stats(it->cache).failed, 0);
    assert_int_equal(client_stats(it->cache).unfinished, 1);
    assert_int_equal(client_available(it->ctx, it->server), tickets - 1);
    tear_down(it);
}

static int told;
static void tell(const SSL *ssl, int where, int ret) {
    (void)ssl, (void)ret;
    told += (where & SSL_CB_HANDSHAKE_DONE) != 0;
}

static void another_info_callback_is_called(void **state) {
    (void)state;
    driver *it = set_up(TLS13);
    SSL_CTX_free(it->ctx);
    it->ctx = client_context();
    SSL_CTX_set_info_callback(it->ctx, tell);
    assert_int_equal(tsc_ssl_attach(it->ctx, it->cache, NULL, 0), TSC_OK);
    assert_int_equal(tsc_ssl_on_start(it->ctx, begin, it), TSC_OK);
    assert_int_equal(tsc_ssl_on_start(it->ctx, begin, it), TSC_OK); // again: still once each
    told = 0;
    assert_false(resumes(it));
    assert_true(resumes(it));
    assert_int_equal(told, 2);
    assert_int_equal(it->begun, 2);
    tear_down(it);
}

static void nothing(void *arg, SSL *ssl) {
    (void)ssl;
    ++*(int *)arg;
}

static void an_ssl_that_may_be_left_alone_is(void **state) {
    (void)state;
    driver *it = set_up(TLS13);
    // Begun by hand.
    assert_false(client_resumes(it->ctx, it->server));
    assert_true(client_resumes(it->ctx, it->server));
    assert_int_equal(it->begun, 0);
    // By the callback's own choice.
    int asked = 0;
    tsc_stats before = client_stats(it->cache);
    assert_int_equal(tsc_ssl_on_start(it->ctx, nothing, &asked), TSC_OK);
    SSL *ssl = library_connect(it);
    assert_int_equal(asked, 1);
    assert_int_equal(tsc_ssl_established(ssl), TSC_WRONG_STATE);
    client_close(ssl);
    // Nobody is asked any more.
    assert_int_equal(tsc_ssl_on_start(it->ctx, NULL, NULL), TSC_OK);
    ssl = library_connect(it);
    assert_null(tsc_ssl_attempt(ssl));
    client_close(ssl);
    assert_int_equal(asked, 1);
    tsc_stats after = client_stats(it->cache);
    assert_int_equal(before.established + before.failed + before.unfinished,
                     after.established + after.failed + after.unfinished);
    tear_down(it);
}

// An SSL that is cleared and used again is begun again; one that is a server is not.
static void each_handshake_of_a_client_is_begun_and_none_of_a_server(void **state) {
    (void)state;
    driver *it = set_up(TLS13);
    assert_false(resumes(it));
    SSL *ssl = client_ssl(it->ctx, client_dial(peer_port(it->server)));
    for (int round = 1; round <= 2; round++) {
        assert_int_equal(SSL_connect(ssl), 1);
        assert_int_equal(it->begun, 1 + round);
        assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
        int fd = SSL_get_fd(ssl);
        SSL_set_quiet_shutdown(ssl, 1);
        SSL_shutdown(ssl);
        assert_int_equal(SSL_clear(ssl), 1);
        close(fd);
        assert_int_equal(SSL_set_fd(ssl, client_dial(peer_port(it->server))), 1);
    }
    client_close(ssl);

    SSL_CTX *both = SSL_CTX_new(TLS_method());
    assert_int_equal(tsc_ssl_attach(both, it->cache, NULL, 0), TSC_OK);
    assert_int_equal(tsc_ssl_on_start(both, begin, it), TSC_OK);
    SSL *server = SSL_new(both);
    SSL_set_bio(server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    assert_int_equal(SSL_accept(server), -1);
    assert_int_equal(it->begun, 3);
    SSL_free(server);
    SSL_CTX_free(both);
    tear_down(it);
}

static char first, second;
static atomic_int calls, mixed, enough;

static void begin_first(void *arg, SSL *ssl) {
    (void)ssl;
    mixed += arg != &first;
    calls++;
}
static void begin_second(void *arg, SSL *ssl) {
    (void)ssl;
    mixed += arg != &second;
    calls++;
}

static void *start_handshakes(void *ctx) {
    while (calls < enough) {
        SSL *ssl = SSL_new((SSL_CTX *)ctx);
        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_connect(ssl);
        SSL_free(ssl);
        ERR_clear_error();
    }
    return NULL;
}

// Another function is set while a handshake starts on another thread: it is called with what was
// given with it.
static void a_function_is_called_with_its_own_argument(void **state) {
    (void)state;
    driver *it = set_up(TLS13);
    pthread_t thread;
    enough = getenv("TSC_TEST_SLOW") ? 100 : 3000; // so many show it where they run at once
    assert_int_equal(tsc_ssl_on_start(it->ctx, begin_first, &first), TSC_OK);
    assert_int_equal(pthread_create(&thread, NULL, start_handshakes, it->ctx), 0);
    while (calls < enough) {
        (void)tsc_ssl_on_start(it->ctx, begin_second, &second);
        (void)tsc_ssl_on_start(it->ctx, begin_first, &first);
    }
    pthread_join(thread, NULL);
    assert_int_equal(mixed, 0);
    tear_down(it);
}

static void without_an_attached_ssl_ctx_it_is_refused(void **state) {
    (void)state;
    SSL_CTX *ctx = client_context();
    assert_int_equal(tsc_ssl_on_start(NULL, begin, NULL), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_on_start(ctx, begin, NULL), TSC_WRONG_STATE);
    assert_true(SSL_CTX_get_info_callback(ctx) == NULL);
    SSL_CTX_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reconnects_resume),
        cmocka_unit_test(a_failed_handshake_is_noticed),
        cmocka_unit_test(a_handshake_that_is_given_up_is_noticed),
        cmocka_unit_test(what_was_given_up_unsent_is_no_failure),
        cmocka_unit_test(a_failed_verification_is_noticed),
        cmocka_unit_test(what_was_not_sent_goes_back),
        cmocka_unit_test(a_handshake_that_goes_on_has_not_failed),
        cmocka_unit_test(another_info_callback_is_called),
        cmocka_unit_test(an_ssl_that_may_be_left_alone_is),
        cmocka_unit_test(each_handshake_of_a_client_is_begun_and_none_of_a_server),
        cmocka_unit_test(a_function_is_called_with_its_own_argument),
        cmocka_unit_test(without_an_attached_ssl_ctx_it_is_refused),
    };
    return cmocka_run_group_tests(tests, peer_setup, peer_teardown);
}
