// A C++ program on OpenSSL that has the library from an installed prefix.

#include <cstdio>

#include <tsc_openssl.h>

int main() {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    tsc_cache *cache = nullptr;
    bool ok = tsc_cache_new(nullptr, 0, &cache) == TSC_OK &&
              tsc_ssl_attach(ctx, cache, nullptr, 0) == TSC_OK;
    SSL *ssl = SSL_new(ctx);
    ok = ok && tsc_ssl_begin(ssl, "db.example", 9142) == TSC_OK && tsc_ssl_conn(ssl) != nullptr &&
         tsc_ssl_failed(ssl) == TSC_OK;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    tsc_cache_free(cache);
    std::printf("%s\n", ok ? "attached" : "NOT attached");
    return !ok;
}
