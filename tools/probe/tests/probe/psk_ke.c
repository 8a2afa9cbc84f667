// A server that resumes by psk_ke alone, as no server does that can be installed: `psk_ke PORT`,
// with cert.pem and key.pem of the folder. It refuses a client that offers a session and only
// psk_dhe_ke.

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static void serve(WOLFSSL *ssl) {
    char request[4096];
    if (wolfSSL_accept(ssl) != WOLFSSL_SUCCESS)
        return;
    while (wolfSSL_read(ssl, request, sizeof request) > 0 && wolfSSL_write(ssl, ".", 1) == 1)
        ;
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    wolfSSL_Init();
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfTLSv1_3_server_method());
    if (wolfSSL_CTX_use_certificate_file(ctx, "cert.pem", WOLFSSL_FILETYPE_PEM) !=
            WOLFSSL_SUCCESS ||
        wolfSSL_CTX_use_PrivateKey_file(ctx, "key.pem", WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_no_dhe_psk(ctx) != 0)
        return 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 64) != 0)
        return 1;
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        WOLFSSL *ssl = wolfSSL_new(ctx);
        wolfSSL_set_fd(ssl, peer);
        serve(ssl);
        wolfSSL_free(ssl);
        close(peer);
    }
}
