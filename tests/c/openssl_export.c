// Warm restarts: processes that live for one connection each and hand their sessions on, sealed.
//
// This program is both: without arguments the tests, which keep the servers and carry the export
// from one process to the next; with arguments one such process, in a memory of its own.

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

static const uint8_t secret[TSC_EXPORT_KEY] = "of both processes";

// What a process tells of its life, before the export that it leaves behind.
typedef struct {
    uint32_t has_rustls;
    tsc_status import, export;
    size_t imported, left_out;
    bool answered, resumed;    // the one connection; says the server
    bool again, resumed_again; // another one, after the export
} life;

enum { MOST = 1 << 18 };

typedef struct {
    uint8_t data[MOST];
    size_t len;
} baggage;

// ---- One process --------------------------------------------------------------------------------

static bool visit_once(SSL_CTX *ctx, int port, bool *resumed) {
    char answer[65536] = "";
    SSL *ssl = client_ssl(ctx, client_dial(port));
    if (tsc_ssl_begin(ssl, "localhost", (uint32_t)port) != TSC_OK || SSL_connect(ssl) != 1)
        return false;
    const bool answered = client_ask(ssl, "/", answer, sizeof answer) > 0;
    *resumed = strstr(answer, "Reused") != NULL;
    if (*resumed != (SSL_session_reused(ssl) == 1) || tsc_ssl_established(ssl) != TSC_OK)
        return false;
    client_close(ssl);
    return answered;
}

static int live(int port, const char *trusted, int tls_version, uint32_t flags) {
    static baggage bag;
    life told = {.has_rustls = tsc_has_rustls(), .import = TSC_OK};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(ctx, trusted, NULL) != 1 ||
        SSL_CTX_set_min_proto_version(ctx, tls_version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, tls_version) != 1)
        return 1;
    tsc_cache *cache = NULL;
    tsc_config_options options = {.identity = (const uint8_t *)"verifies", .identity_len = 8};
    if (tsc_cache_new(NULL, 0, &cache) != TSC_OK ||
        tsc_ssl_attach(ctx, cache, &options, flags) != TSC_OK)
        return 1;
    const tsc_config *config = tsc_ssl_config(ctx);

    bag.len = fread(bag.data, 1, sizeof bag.data, stdin);
    if (bag.len > 0)
        told.import =
            tsc_config_import(config, secret, sizeof secret, bag.data, bag.len, &told.imported);
    told.answered = visit_once(ctx, port, &told.resumed);
    bag.len = 0;
    told.export = tsc_config_export(config, secret, sizeof secret, bag.data, sizeof bag.data,
                                    &bag.len, &told.left_out);
    told.again = visit_once(ctx, port, &told.resumed_again);
    SSL_CTX_free(ctx);
    free_cache(cache);
    return fwrite(&told, sizeof told, 1, stdout) != 1 ||
           fwrite(bag.data, 1, bag.len, stdout) != bag.len;
}

// ---- The tests ----------------------------------------------------------------------------------

static const uint32_t BYTES = TSC_SSL_SERIALISE, OBJECTS = 0;

// Runs a process with what another one left behind, and takes what it leaves behind.
static life run(const peer *server, int tls_version, uint32_t flags, baggage *bag) {
    char self[4096] = "", port[16], version[16], how[16];
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(port, sizeof port, "%d", peer_port(server));
    snprintf(version, sizeof version, "%d", tls_version);
    snprintf(how, sizeof how, "%u", flags);
    char *const arguments[] = {self, port, (char *)peer_server_certificate(), version, how, NULL};

    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in[0], 0);
    posix_spawn_file_actions_adddup2(&files, out[1], 1);
    pid_t child;
    assert_int_equal(posix_spawn(&child, self, &files, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(in[0]);
    close(out[1]);

    FILE *to = fdopen(in[1], "w"), *from = fdopen(out[0], "r");
    assert_int_equal(fwrite(bag->data, 1, bag->len, to), bag->len);
    fclose(to);
    life told;
    assert_int_equal(fread(&told, sizeof told, 1, from), 1);
    bag->len = fread(bag->data, 1, sizeof bag->data, from);
    fclose(from);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(told.answered && told.again);
    assert_int_equal(told.export, TSC_OK);
    return told;
}

// Three lives: the second and the third resume what the one before left behind.
static void restarts(peer *server, int tls_version) {
    static baggage bag;
    bag.len = 0;
    for (int i = 0; i < 3; i++) {
        life told = run(server, tls_version, BYTES, &bag);
        assert_int_equal(told.import, TSC_OK);
        assert_int_equal(told.imported > 0, i > 0);
        assert_int_equal(told.resumed, i > 0);
        assert_int_equal(told.left_out, 0);
        // Tickets left with the export; a session of TLS 1.2 is in both.
        assert_int_equal(told.resumed_again, tls_version == TLS1_2_VERSION);
        assert_true(bag.len > 100);
    }
    peer_free(server);
}

static void the_next_process_resumes_at_the_tests_own_server(void **state) {
    (void)state;
    restarts(peer_own((peer_manner){.tls_version = TLS1_2_VERSION}), TLS1_2_VERSION);
    restarts(peer_own((peer_manner){.tls_version = TLS1_3_VERSION, .tickets = 2}), TLS1_3_VERSION);
}

static void the_next_process_resumes_at_s_server(void **state) {
    (void)state;
    restarts(peer_s_server("-tls1_2"), TLS1_2_VERSION);
    restarts(peer_s_server("-tls1_3"), TLS1_3_VERSION);
}

static void the_next_process_resumes_at_nginx(void **state) {
    (void)state;
    static const char cache[] = "ssl_session_cache shared:x:1m; ssl_protocols TLSv1.2 TLSv1.3;";
    restarts(peer_nginx(cache), TLS1_2_VERSION);
    restarts(peer_nginx(cache), TLS1_3_VERSION);
}

// Each build imports what the other exported.
static void each_build_imports_what_the_other_exported(void **state) {
    (void)state;
    static const char *const libraries[] = {"build/core", "build/full", "build/core"};
    const char *usual = getenv("LD_LIBRARY_PATH");
    char *before = usual == NULL ? NULL : strdup(usual);
    peer *server = peer_own((peer_manner){.tls_version = TLS1_3_VERSION, .tickets = 2});
    static baggage bag;
    bag.len = 0;
    for (int i = 0; i < 3; i++) {
        setenv("LD_LIBRARY_PATH", libraries[i], 1);
        life told = run(server, TLS1_3_VERSION, BYTES, &bag);
        assert_int_equal(told.has_rustls, i == 1);
        assert_int_equal(told.import, TSC_OK);
        assert_int_equal(told.resumed, i > 0);
    }
    if (before == NULL)
        unsetenv("LD_LIBRARY_PATH");
    else
        setenv("LD_LIBRARY_PATH", before, 1);
    free(before);
    peer_free(server);
}

// Altered on its way: nothing of it is offered, and the connection is a full handshake.
static void an_altered_export_is_refused(void **state) {
    (void)state;
    peer *server = peer_own((peer_manner){.tls_version = TLS1_2_VERSION});
    static baggage bag;
    bag.len = 0;
    run(server, TLS1_2_VERSION, BYTES, &bag);
    bag.data[bag.len / 2] ^= 1;
    life told = run(server, TLS1_2_VERSION, BYTES, &bag);
    assert_int_equal(told.import, TSC_NOT_AUTHENTIC);
    assert_int_equal(told.imported, 0);
    assert_false(told.resumed);
    // The next export is in order again.
    assert_true(run(server, TLS1_2_VERSION, BYTES, &bag).resumed);
    peer_free(server);
}

// OpenSSL's objects stay in their process.
static void objects_stay_in_their_process(void **state) {
    (void)state;
    peer *server = peer_own((peer_manner){.tls_version = TLS1_3_VERSION, .tickets = 2});
    static baggage bag;
    bag.len = 0;
    life told = run(server, TLS1_3_VERSION, OBJECTS, &bag);
    assert_int_equal(told.left_out, 2);
    assert_true(told.resumed_again);
    told = run(server, TLS1_3_VERSION, OBJECTS, &bag);
    assert_int_equal(told.import, TSC_OK);
    assert_int_equal(told.imported, 0);
    assert_false(told.resumed);
    peer_free(server);
}

int main(int argc, char **argv) {
    if (argc == 5)
        return live(atoi(argv[1]), argv[2], atoi(argv[3]), (uint32_t)atoi(argv[4]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_process_resumes_at_the_tests_own_server),
        cmocka_unit_test(the_next_process_resumes_at_s_server),
        cmocka_unit_test(the_next_process_resumes_at_nginx),
        cmocka_unit_test(each_build_imports_what_the_other_exported),
        cmocka_unit_test(an_altered_export_is_refused),
        cmocka_unit_test(objects_stay_in_their_process),
    };
    return cmocka_run_group_tests_name("openssl_export", tests, peer_setup, peer_teardown);
}
