/* Connects twice to a web server with Asio, and says of each handshake whether it was full or
   resumed:

       asio_client HOST PORT CAFILE

   The parts marked tsc are all that libtsc needs. The rest is any program on Asio (for Boost.Asio,
   the namespace has another name). */

#include "tsc_openssl.hpp"

#include <asio.hpp>
#include <asio/ssl.hpp>

#include <csignal>
#include <iostream>
#include <string>

using stream = asio::ssl::stream<asio::ip::tcp::socket>;

/* Stands for a driver's login: a first request and its answer. In TLS 1.3 the tickets come after
   the handshake, and OpenSSL takes them in while it reads. */
static bool login(stream &tls) {
    asio::error_code error;
    char answer[4096];
    asio::write(tls, asio::buffer(std::string("HEAD / HTTP/1.0\r\n\r\n")), error);
    return !error && tls.read_some(asio::buffer(answer), error) > 0;
}

static bool handshake(stream &tls) {
    asio::error_code error;
    tls.handshake(stream::client, error);
    return !error;
}

static bool visit(asio::io_context &io, asio::ssl::context &ctx, const std::string &host,
                  unsigned port) {
    asio::ip::tcp::resolver resolver(io);
    stream tls(io, ctx);
    asio::connect(tls.next_layer(), resolver.resolve(host, std::to_string(port)));
    tls.next_layer().set_option(asio::ip::tcp::no_delay(true));
    SSL_set_tlsext_host_name(tls.native_handle(), host.c_str());
    SSL_set1_host(tls.native_handle(), host.c_str());
    /* [tsc] */
    tsc::ssl::begin(tls.native_handle(), {host, port});
    bool ok = handshake(tls) && login(tls);
    if (ok)
        tsc::ssl::established(tls.native_handle());
    else
        tsc::ssl::failed(tls.native_handle());
    /* [/tsc] */
    std::cout << (!ok                                       ? "failed"
                  : SSL_session_reused(tls.native_handle()) ? "resumed"
                                                            : "full")
              << std::endl;
    return ok;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        std::cerr << "usage: asio_client HOST PORT CAFILE\n";
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    try {
        const std::string host = argv[1];
        const auto port = static_cast<unsigned>(std::stoul(argv[2]));
        asio::io_context io;
        asio::ssl::context ctx(asio::ssl::context::tls_client);
        ctx.set_verify_mode(asio::ssl::verify_peer);
        ctx.load_verify_file(argv[3]);
        /* [tsc] */
        tsc::cache cache = *tsc::cache::make();
        tsc::ssl::attach(ctx.native_handle(), cache);
        /* [/tsc] */
        return visit(io, ctx, host, port) && visit(io, ctx, host, port) ? 0 : 1;
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 2;
    }
}
