// A C++ program on OpenSSL that has the library from an installed prefix.

#include <cstdio>

#include <tsc_openssl.hpp>

int main() {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    auto cache = tsc::cache::make();
    bool ok = cache && tsc::ssl::attach(ctx, *cache) == TSC_OK;
    SSL *ssl = SSL_new(ctx);
    ok = ok && tsc::ssl::begin(ssl, {"db.example", 9142}) == TSC_OK &&
         tsc::ssl::failed(ssl) == TSC_OK && cache->stats()->failed == 1;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    std::printf("%s\n", ok ? "attached" : "NOT attached");
    return !ok;
}
