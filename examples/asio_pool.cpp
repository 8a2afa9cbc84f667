/* Opens many connections to a web server at once with Asio, in one thread, and says how many of
   them were resumed:

       asio_pool HOST PORT CAFILE [CONNECTIONS]

   All but the first wait for the tickets that the others bring. The part marked tsc comes in place
   of tsc::ssl::begin; see asio_client.cpp for the rest. C++20, for its coroutines. */

#include "tsc_openssl.hpp"

#include <asio.hpp>
#include <asio/ssl.hpp>

#include <csignal>
#include <iostream>
#include <string>

using stream = asio::ssl::stream<asio::ip::tcp::socket>;
using namespace std::chrono_literals;

static int resumed = 0, failed = 0;

static asio::awaitable<void> visit(asio::ssl::context &ctx, std::string host, unsigned port) {
    const auto executor = co_await asio::this_coro::executor;
    asio::error_code error;
    auto then = asio::redirect_error(asio::use_awaitable, error);
    asio::ip::tcp::resolver resolver(executor);
    stream tls(executor, ctx);
    SSL *ssl = tls.native_handle();
    const auto found = co_await resolver.async_resolve(host, std::to_string(port), then);
    if (!error)
        co_await asio::async_connect(tls.next_layer(), found, then);
    if (error) {
        failed++;
        co_return;
    }
    tls.next_layer().set_option(asio::ip::tcp::no_delay(true));
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set1_host(ssl, host.c_str());
    /* [tsc] */
    tsc::ssl::prepare(ssl, {host, port});
    if (auto fd = tsc::ssl::wait_fd(ssl, 2s); fd && *fd >= 0) {
        asio::posix::stream_descriptor over(executor, *fd);
        co_await over.async_wait(over.wait_read, then);
        over.release(); // it is the library's
    }
    tsc::ssl::offer(ssl);
    /* [/tsc] */
    co_await tls.async_handshake(stream::client, then);
    /* Stands for a driver's login: a first request and its answer. */
    char answer[4096];
    if (!error)
        co_await asio::async_write(tls, asio::buffer(std::string_view("HEAD / HTTP/1.0\r\n\r\n")),
                                   then);
    if (!error)
        co_await tls.async_read_some(asio::buffer(answer), then);
    if (error) {
        tsc::ssl::failed(ssl);
        failed++;
        co_return;
    }
    tsc::ssl::established(ssl);
    resumed += SSL_session_reused(ssl);
}

int main(int argc, char **argv) {
    const int connections = argc > 4 ? std::atoi(argv[4]) : 16;
    if (argc < 4 || connections < 1 || connections > 1000) {
        std::cerr << "usage: asio_pool HOST PORT CAFILE [CONNECTIONS, at most 1000]\n";
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    try {
        const auto port = static_cast<unsigned>(std::stoul(argv[2]));
        asio::io_context io;
        asio::ssl::context ctx(asio::ssl::context::tls_client);
        ctx.set_verify_mode(asio::ssl::verify_peer);
        ctx.load_verify_file(argv[3]);
        tsc::cache cache = *tsc::cache::make();
        tsc::ssl::attach(ctx.native_handle(), cache);
        for (int i = 0; i < connections; i++)
            asio::co_spawn(io, visit(ctx, argv[1], port), asio::detached);
        io.run();
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 2;
    }
    std::cout << resumed << " of " << connections << " resumed\n";
    return failed != 0;
}
