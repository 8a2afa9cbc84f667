/* Connects twice to an MQTT broker with libmosquittopp, and says of each handshake whether it was
   full or resumed:

       mqtt_client HOST PORT CAFILE

   Libraries like this one take an SSL_CTX, make the SSL themselves and shake hands at once. The
   parts marked tsc are all that libtsc takes. */

#include "tsc_openssl.hpp"

#include <mosquittopp.h>

#include <csignal>
#include <iostream>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

class driver : mosqpp::mosquittopp {
  public:
    driver(SSL_CTX *ctx, const tsc::cache &cache, const char *cafile, std::string host,
           unsigned port)
        : host_(std::move(host)), port_(port) {
        /* [tsc] */
        tsc::ssl::attach(ctx, cache);
        tsc::ssl::on_start(ctx, [this](SSL *ssl) {
            prepare(ssl);
            tsc::ssl::begin(ssl_ = ssl, {host_, port_});
        });
        /* [/tsc] */
        opts_set(MOSQ_OPT_SSL_CTX, ctx);
        tls_set(cafile); /* it wants to be told that, too */
    }

    /* From the TCP connection to the broker's welcome, and goodbye. */
    bool visit() {
        answered_ = welcome_ = false;
        if (connect(host_.c_str(), static_cast<int>(port_)) != MOSQ_ERR_SUCCESS)
            return false;
        while (!answered_ && loop() == MOSQ_ERR_SUCCESS)
            ;
        disconnect();
        while (loop() == MOSQ_ERR_SUCCESS)
            ;
        return welcome_;
    }

  private:
    void on_connect(int refused) override {
        answered_ = true;
        welcome_ = refused == 0;
        /* [tsc] */
        if (welcome_)
            tsc::ssl::established(ssl_);
        else
            tsc::ssl::failed(ssl_);
        /* [/tsc] */
        std::cout << (SSL_session_reused(ssl_) ? "resumed" : "full") << std::endl;
    }

    /* What the library does not do, or not from C++. Its own check of certificates rejects
       everybody in its versions 2.0.11 to 2.0.14 if the SSL_CTX is the application's
       (mosquitto#2463). */
    void prepare(SSL *ssl) {
        const int yes = 1;
        setsockopt(SSL_get_fd(ssl), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        SSL_set1_host(ssl, host_.c_str());
        SSL_set_verify(ssl, SSL_VERIFY_PEER,
                       [](int verified, X509_STORE_CTX *) { return verified; });
    }

    const std::string host_;
    const unsigned port_;
    SSL *ssl_ = nullptr; /* the library's; it is there whenever on_connect is called */
    bool answered_ = false, welcome_ = false;
};

int main(int argc, char **argv) {
    if (argc != 4) {
        std::cerr << "usage: mqtt_client HOST PORT CAFILE\n";
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    mosqpp::lib_init();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_locations(ctx, argv[3], nullptr);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    bool ok;
    {
        const tsc::cache cache = *tsc::cache::make();
        driver it(ctx, cache, argv[3], argv[1], static_cast<unsigned>(std::stoul(argv[2])));
        ok = it.visit() && it.visit();
    }
    SSL_CTX_free(ctx);
    mosqpp::lib_cleanup();
    return ok ? 0 : 1;
}
