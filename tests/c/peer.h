// peer.h: the other end. Real TLS servers on free ports of the loopback, started by the tests, and
// one way to visit them.
//
// All but Mosquitto answer a request for a page in the same way: "Reused" in it if the server
// resumed a session, "New" if not. That is the server's own word, which the tests hold against the
// cache's.

#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "tsc.h"

// ---- Certificates: made on the spot, gone with peer_teardown ------------------------------------

// A cmocka group's setup and teardown: a directory with certificates for servers and a client.
int peer_setup(void **state);
int peer_teardown(void **state);

// Paths, valid until peer_teardown. The server certificates say "localhost" and are their own trust
// roots. The short ones end in a day, the others in thirty.
const char *peer_server_certificate(void);
const char *peer_server_key(void);
const char *peer_short_certificate(void);
const char *peer_short_key(void);
const char *peer_client_certificate(void);
const char *peer_client_key(void);

// A new key of RSA. The command openssl makes it: to search for primes takes minutes where every
// instruction of this process is checked.
EVP_PKEY *peer_rsa_key(int bits);

// ---- Servers ------------------------------------------------------------------------------------

typedef struct peer peer;

// Some servers cannot stand to be offered a session: they reset the connection or never answer.
// Others resume it and then say no more, or close without a word.
typedef enum { PEER_SOUND, PEER_RESETS, PEER_HANGS, PEER_IS_SILENT, PEER_CLOSES } peer_harm;

// How the tests' own server behaves; it can do what the others cannot.
typedef struct {
    int tls_version;        // TLS1_2_VERSION or TLS1_3_VERSION
    int tickets;            // TLS 1.3: how many after a full handshake; one after a resumed one
    bool doubles;           // TLS 1.3: two after a resumed handshake, as GnuTLS does
    peer_harm harm;         // what it does to who offers a session
    long lifetime_seconds;  // 0: OpenSSL's default
    bool zero_lifetime;     // TLS 1.3: tickets say 0 seconds
    bool renews;            // TLS 1.2: every resumed handshake brings a new ticket
    bool shares_keys;       // has the same ticket keys as all others that do
    bool short_certificate; // see peer_short_certificate
    bool staples;           // an OCSP status (of no meaning) to whoever asks for one
} peer_manner;

// `openssl s_server -www` with these further arguments, separated by spaces, or NULL.
peer *peer_s_server(const char *arguments);

// nginx with these further lines in its server block, or NULL.
peer *peer_nginx(const char *directives);

// HAProxy, which asks for a client's certificate, with these further rules for each request.
peer *peer_haproxy(int tls_version, const char *rules);

// The MQTT broker Mosquitto, with the certificate that is short, or not. It lets in everybody but
// who gives a name and password other than "user" and "secret". It answers no page.
peer *peer_mosquitto(bool short_certificate);

// The tests' own server, a thread of this process.
peer *peer_own(peer_manner manner);

// Stops a server. Its port stays known, and refuses connections.
void peer_halt(peer *self);

// Starts a halted server again on the same port, with new ticket keys.
void peer_resume(peer *self);

// Stops a server if it runs, and frees it.
void peer_free(peer *self);

int peer_port(const peer *self);

// ---- Visits -------------------------------------------------------------------------------------

// An SSL_CTX of a client that verifies its servers.
SSL_CTX *client_context(void);

// A connected TCP socket, or -1.
int client_dial(int port);

// An SSL on a socket, with "localhost" as its name, not begun. The socket goes with client_close.
SSL *client_ssl(SSL_CTX *ctx, int fd);

// Reads whatever has come by now. There is no application data.
void client_read_nothing(SSL *ssl);

// Frees an SSL from client_ssl and its socket, without a close_notify: as rude as most drivers are.
void client_close(SSL *ssl);

// Sends a request and reads the answer to its end, or, with path "/keep", until it is complete.
// Gives its length; 0 if the connection broke.
size_t client_ask(SSL *ssl, const char *path, char *answer, size_t capacity);

// What a visit does other than usual.
enum {
    VISIT_UNBEGUN = 1,   // without tsc_ssl_begin
    VISIT_UNSAID = 2,    // without a verdict
    VISIT_DENIED = 4,    // the login fails
    VISIT_EARLY = 8,     // established right after the handshake
    VISIT_SHUTDOWN = 16, // with a close_notify
};

typedef struct {
    bool handshake;        // it finished
    bool answered;         // the server answered
    bool resumed;          // says SSL_session_reused
    bool server_resumed;   // says the server
    tsc_attempt_info info; // before SSL_free
} visit;

// One whole connection: dial, begin, handshake, ask, verdict, close.
visit client_visit(SSL_CTX *ctx, const peer *server, unsigned how);

// client_visit, and a test failure if there was no answer or the two ends disagree. Gives whether
// the session was resumed.
bool client_resumes(SSL_CTX *ctx, const peer *server);

// tsc_ssl_begin, called from another source file than the test's.
tsc_status client_begin(SSL *ssl, const char *host, int port);

// How many sessions a visit would find.
size_t client_available(SSL_CTX *ctx, const peer *server);

// The statistics of a cache.
tsc_stats client_stats(const tsc_cache *cache);

// A clock for tsc_options: *(uint64_t *)milliseconds.
uint64_t client_clock(void *milliseconds);

#endif
