/* Asks a web server twice with libcurl, on a new connection each time, and says of each handshake
   whether it was full or resumed:

       curl_client HOST PORT CAFILE

   libcurl makes an SSL_CTX and an SSL for each connection and shows them in callbacks: the parts
   marked tsc. It has to be a libcurl that uses OpenSSL. */

#include "tsc_openssl.h"

#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>

struct request {
    CURL *curl;
    tsc_cache *cache; /* one for the whole program */
    const char *host;
    uint32_t port;
    int resumed;
};

static void on_handshake(void *arg, SSL *ssl) {
    struct request *request = arg;
    /* [tsc] */
    tsc_ssl_begin(ssl, request->host, request->port);
    /* [/tsc] */
}

/* CURLOPT_SSL_CTX_FUNCTION. The identity is what lets the SSL_CTXs share: it says that all of them
   trust the same roots, so another CAFILE would need another one. */
static CURLcode on_context(CURL *curl, void *ctx, void *arg) {
    struct request *request = arg;
    /* [tsc] */
    tsc_config_options options = {.identity = (const uint8_t *)"curl", .identity_len = 4};
    SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
    /* libcurl sets these on the store when the server's first bytes arrive, and a connection whose
       rules change after it began keeps nothing. So they are set now. */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx),
                         X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    tsc_ssl_attach(ctx, request->cache, &options, 0);
    tsc_ssl_on_start(ctx, on_handshake, request);
    /* [/tsc] */
    (void)curl;
    return CURLE_OK;
}

/* CURLOPT_HEADERFUNCTION. The server answers, so the connection is established. It has to be said
   here: libcurl may free the SSL before curl_easy_perform returns. */
static size_t on_header(char *header, size_t size, size_t count, void *arg) {
    struct request *request = arg;
    /* [tsc] */
    struct curl_tlssessioninfo *tls = NULL;
    if (curl_easy_getinfo(request->curl, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK)
        tsc_ssl_established(tls->internals); /* from the second header on, this changes nothing */
    /* [/tsc] */
    if (tls != NULL && tls->internals != NULL)
        request->resumed = SSL_session_reused(tls->internals);
    (void)header;
    return size * count;
}

static size_t discard(char *body, size_t size, size_t count, void *arg) {
    (void)body;
    (void)arg;
    return size * count;
}

static int visit(struct request *request, const char *cafile) {
    char url[300];
    snprintf(url, sizeof url, "https://%s:%u/", request->host, (unsigned)request->port);
    CURL *curl = request->curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, cafile);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    /* [tsc] */
    curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L); /* libcurl's own */
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_context);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, request);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, request);
    /* [/tsc] */
    CURLcode result = curl_easy_perform(curl);
    if (result == CURLE_OK)
        puts(request->resumed ? "resumed" : "full");
    else
        fprintf(stderr, "failed: %s\n", curl_easy_strerror(result));
    curl_easy_cleanup(curl);
    return result == CURLE_OK;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: curl_client HOST PORT CAFILE\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct request request = {.host = argv[1], .port = (uint32_t)atoi(argv[2])};
    tsc_cache_new(NULL, 0, &request.cache);
    int ok = visit(&request, argv[3]) && visit(&request, argv[3]);
    tsc_cache_free(request.cache);
    curl_global_cleanup();
    return !ok;
}
