// tsc_openssl.hpp: libtsc for C++ programs on OpenSSL, and on what is built on it: Boost.Asio,
// Asio.
//
//     tsc::cache cache = *tsc::cache::make();              // once per program or cluster object
//     tsc::ssl::attach(ctx, cache);                        // once per SSL_CTX, when it is set up
//
//     tsc::ssl::begin(ssl, {host, port});                  // last thing before the handshake
//     if (handshake(ssl) && login(ssl))
//         tsc::ssl::established(ssl);
//     else
//         tsc::ssl::failed(ssl);
//
// With Asio, ctx is ssl::context::native_handle() and ssl is ssl::stream::native_handle().
//
// This is tsc_openssl.h for C++; that header says what to mind, and which statuses its functions
// return. What it makes is freed with the SSL and the SSL_CTX; the cache may be destroyed before or
// after them. You may ignore statuses: whatever goes wrong costs a full handshake, never a
// connection. Only one thread at a time uses an SSL, in Asio its strand. A null pointer gets
// TSC_INVALID_ARGUMENT. Nothing throws.

#ifndef TSC_OPENSSL_HPP
#define TSC_OPENSSL_HPP

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

#include "tsc.hpp"
#include "tsc_openssl.h"

namespace tsc::ssl {

namespace detail {

template <class T> void on_context_free(void *, void *kept, CRYPTO_EX_DATA *, int, long, void *) {
    delete static_cast<T *>(kept);
}

// What an SSL_CTX keeps of a type until it is freed, made by the first call; null if there was no
// memory. Its index is one per program or shared object, as those of tsc_openssl.h are.
template <class T>
#ifndef _WIN32
__attribute__((visibility("hidden")))
#endif
T *kept(SSL_CTX *ctx) noexcept {
    // Made after the indexes of tsc_openssl.h, so that OpenSSL frees it after what they hold.
    static const int index =
        tsc_ssl_indexes_make_()
            ? SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, on_context_free<T>)
            : -1;
    static std::mutex making;
    const std::lock_guard<std::mutex> lock(making);
    auto *it = index >= 0 ? static_cast<T *>(SSL_CTX_get_ex_data(ctx, index)) : nullptr;
    if (it || index < 0)
        return it;
    it = new (std::nothrow) T();
    if (it && SSL_CTX_set_ex_data(ctx, index, it))
        return it;
    delete it;
    return nullptr;
}

// A cache's listener: the configs of the SSL_CTX can call it.
inline status keep_listener(SSL_CTX *ctx, const cache &of) noexcept {
    if (!of.listening())
        return TSC_OK;
    auto *it = kept<std::shared_ptr<const listener>>(ctx);
    if (it)
        *it = of.listening();
    return it ? TSC_OK : TSC_NO_MEMORY;
}

} // namespace detail

// Derives an identity for config_options from an SSL_CTX: tsc_ssl_identity. A failed result is
// empty, and a config with it shares with no other.
//
// Returns what tsc_ssl_identity returns.
[[nodiscard]] inline result<buffer> identity(SSL_CTX *ctx) noexcept {
    return buffer::filled([ctx](std::uint8_t *to, std::size_t room, std::size_t *size) {
        *size = TSC_SSL_IDENTITY;
        return room < *size ? TSC_TOO_SMALL : tsc_ssl_identity(ctx, to);
    });
}

// Attaches an SSL_CTX to a cache: tsc_ssl_attach.
//
// flags: 0, or TSC_SSL_SERIALISE, TSC_SSL_WITHOUT_STATUS and TSC_SSL_EARLY_DATA combined by |.
// Returns what tsc_ssl_attach returns.
inline status attach(SSL_CTX *ctx, const cache &to, const config_options &how = {},
                     std::uint32_t flags = 0) noexcept {
    if (!ctx || !to.get())
        return TSC_INVALID_ARGUMENT;
    if (tsc_ssl_config(ctx))
        return TSC_WRONG_STATE;
    // First: from the attachment on it may be called.
    const status kept = detail::keep_listener(ctx, to);
    const auto raw = how.raw();
    return kept == TSC_OK ? tsc_ssl_attach(ctx, to.get(), &raw, flags) : kept;
}

// Begins an attempt and offers nothing yet, so that it may wait (wait_fd):
// tsc_ssl_prepare_endpoint.
//
// Returns what tsc_ssl_begin returns.
inline status prepare(SSL *ssl, const endpoint &to) noexcept {
    const auto raw = to.raw();
    return tsc_ssl_prepare_endpoint(ssl, &raw);
}

// Offers a session on an SSL that was prepared: tsc_ssl_offer.
//
// Returns what tsc_ssl_offer returns.
inline status offer(SSL *ssl) noexcept {
    return tsc_ssl_offer(ssl);
}

// Begins an attempt and offers a session: tsc_ssl_begin_endpoint. Last thing before the handshake.
//
// Returns what tsc_ssl_begin returns.
inline status begin(SSL *ssl, const endpoint &to) noexcept {
    const auto raw = to.raw();
    return tsc_ssl_begin_endpoint(ssl, &raw);
}

// Does what begin does, and waits while a session is on its way, at most this long. For a thread
// that may block.
//
// Returns what tsc_ssl_begin returns.
inline status begin_wait(SSL *ssl, const endpoint &to, std::chrono::milliseconds longest) noexcept {
    const status why = prepare(ssl, to);
    if (why != TSC_OK)
        return why;
    // If nothing can be waited for, the offer is still made.
    (void)tsc_attempt_wait(tsc_ssl_attempt(ssl), tsc::detail::clamped(longest));
    return offer(ssl);
}

// Gives a descriptor that becomes readable when the wait is over, or -1 if there is nothing to wait
// for. For an event loop, between prepare and offer. Lent until SSL_free: with Asio, give it to a
// posix::stream_descriptor, wait for wait_read, and release() it.
//
// Returns what attempt::wait_fd returns; TSC_INVALID_ARGUMENT if ssl was not begun.
[[nodiscard]] inline result<int> wait_fd(SSL *ssl, std::chrono::milliseconds longest) noexcept {
    std::int32_t fd = -1;
    const status why =
        tsc_attempt_wait_fd(tsc_ssl_attempt(ssl), tsc::detail::clamped(longest), &fd);
    return why == TSC_OK || why == TSC_WAIT ? result<int>(int{fd}) : why;
}

// Called with an SSL whose handshake starts, on the thread that does the handshake.
using starter = std::function<void(SSL *)>;

namespace detail {

// What on_start was given last. Handshakes read it on their own threads while another thread
// replaces it, so it stays where it is, and each call holds what it calls.
class starter_slot {
  public:
    std::shared_ptr<const starter> get() noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        return run_;
    }
    // What was there before goes after the lock: its end may call on_start.
    void set(std::shared_ptr<const starter> run) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        run_.swap(run);
    }

  private:
    std::mutex mutex_;
    std::shared_ptr<const starter> run_;
};

inline void on_start(void *slot, SSL *ssl) noexcept {
    const auto run = static_cast<starter_slot *>(slot)->get(); // which may replace itself
    if (run)
        tsc::detail::contained([&] { (*run)(ssl); });
}

} // namespace detail

// tsc_ssl_on_start, for a client library that makes the SSL itself and does not show it: runs a
// callable whenever a client handshake starts, which is where begin belongs. The callable lives
// until the SSL_CTX is freed or this is called again, and until the last call of it has returned;
// an empty one ends it. What it throws is lost.
//
// Threads: the first call before the SSL_CTX is shared, later ones at any time, also within the
// callable itself.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ctx is null; TSC_WRONG_STATE if ctx is not attached;
// TSC_NO_MEMORY.
inline status on_start(SSL_CTX *ctx, starter run) noexcept {
    if (!ctx)
        return TSC_INVALID_ARGUMENT;
    if (!tsc_ssl_config(ctx))
        return TSC_WRONG_STATE;
    const bool some = run != nullptr;
    std::shared_ptr<const starter> held;
    if (some)
        tsc::detail::contained([&] { held = std::make_shared<const starter>(std::move(run)); });
    auto *slot = detail::kept<detail::starter_slot>(ctx);
    if (!slot || (some && !held))
        return TSC_NO_MEMORY;
    slot->set(std::move(held));
    return tsc_ssl_on_start(ctx, detail::on_start, slot);
}

// Says that the connection is established: TLS is verified and the application's own login done. An
// application without one calls it right after the handshake.
//
// Returns what tsc_ssl_established returns.
inline status established(SSL *ssl) noexcept {
    return tsc_ssl_established(ssl);
}

// Says that the attempt failed. Call it before SSL_free, SSL_clear and SSL_shutdown.
//
// Returns what tsc_ssl_failed returns.
inline status failed(SSL *ssl) noexcept {
    return tsc_ssl_failed(ssl);
}

// Counts the sessions that connections to an endpoint would find, one after another.
//
// The answer is for an SSL that is as its SSL_CTX was when it was attached and, if the SSL_CTX
// verifies, verifies the server name and no other.
//
// to: with the server name, if it is not the host.
// Returns what config::available returns; TSC_INVALID_ARGUMENT if ctx is not attached.
[[nodiscard]] inline result<std::size_t> available(const SSL_CTX *ctx,
                                                   const endpoint &to) noexcept {
    const auto raw = to.raw();
    std::size_t count = 0;
    const status why = tsc_config_available(tsc_ssl_config(ctx), &raw, sizeof raw, &count);
    return why == TSC_OK ? result<std::size_t>(count) : why;
}

// The same for a connection on this SSL, whatever it verifies. It need not be one that will
// connect.
//
// Returns what tsc_ssl_begin returns.
[[nodiscard]] inline result<std::size_t> available(SSL *ssl, const endpoint &to) noexcept {
    auto raw = to.raw();
    std::uint8_t room[TSC_SSL_VERIFICATION];
    std::size_t count = 0;
    status why = tsc_ssl_endpoint(ssl, &raw, room);
    if (why == TSC_OK)
        why = tsc_config_available(tsc_ssl_config(SSL_get_SSL_CTX(ssl)), &raw, sizeof raw, &count);
    return why == TSC_OK ? result<std::size_t>(count) : why;
}

// Says what connections to an endpoint may expect; for the same SSLs as available answers.
//
// Returns what config::forecast returns; TSC_INVALID_ARGUMENT if ctx is not attached.
[[nodiscard]] inline result<tsc_forecast> forecast(const SSL_CTX *ctx,
                                                   const endpoint &to) noexcept {
    const auto raw = to.raw();
    tsc_forecast out{};
    const status why = tsc_config_forecast(tsc_ssl_config(ctx), &raw, sizeof raw, &out, sizeof out);
    return why == TSC_OK ? result<tsc_forecast>(out) : why;
}

// The same for a connection on this SSL.
//
// Returns what tsc_ssl_begin returns.
[[nodiscard]] inline result<tsc_forecast> forecast(SSL *ssl, const endpoint &to) noexcept {
    auto raw = to.raw();
    std::uint8_t room[TSC_SSL_VERIFICATION];
    tsc_forecast out{};
    status why = tsc_ssl_endpoint(ssl, &raw, room);
    if (why == TSC_OK)
        why = tsc_config_forecast(tsc_ssl_config(SSL_get_SSL_CTX(ssl)), &raw, sizeof raw, &out,
                                  sizeof out);
    return why == TSC_OK ? result<tsc_forecast>(out) : why;
}

// Why the attempt did not resume; reason::none if it did, or if that is not decided yet.
//
// Returns what info returns.
[[nodiscard]] inline result<tsc::reason> reason(const SSL *ssl) noexcept {
    attempt_info out{};
    const status got = tsc_attempt_info_get(tsc_ssl_attempt(ssl), &out, sizeof out);
    return got == TSC_OK ? result<tsc::reason>(static_cast<tsc::reason>(out.reason)) : got;
}

// What became of the attempt so far.
//
// Returns TSC_INVALID_ARGUMENT if ssl was not begun; TSC_CLOSED.
[[nodiscard]] inline result<attempt_info> info(const SSL *ssl) noexcept {
    attempt_info out{};
    const status why = tsc_attempt_info_get(tsc_ssl_attempt(ssl), &out, sizeof out);
    return why == TSC_OK ? result<attempt_info>(out) : why;
}

} // namespace tsc::ssl

#endif // TSC_OPENSSL_HPP
