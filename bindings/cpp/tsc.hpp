// tsc.hpp: libtsc for C++17. tsc.h is the manual; this header only translates: handles that free
// themselves, views in place of pointers and lengths, std::chrono, and callables.
//
//     auto cache = *tsc::cache::make();                       // once per program or cluster object
//     auto config = *tsc::config::make(cache);                // once per TLS configuration
//
//     auto attempt = *tsc::attempt::make(config, {"db.example", 9142}); // per connection
//     if (auto session = attempt.offer())
//         ...                                                 // offer session->data or ->object
//     ...
//     attempt.established(resumed);                              // or
//     attempt.failed(tsc::facts::sent | tsc::facts::handshake_done)
//
// For OpenSSL see tsc_openssl.hpp.
//
// # Conventions, besides those of tsc.h
//
// - Errors: nothing here throws, unless you ask for it with result::value or tsc::check. A function
//   with an output returns a result, whose status says why there is none; any other returns a
//   status. Both can mean "do a full handshake".
// - Statuses: "Returns" lists every status besides TSC_OK (or the value) that a function can
//   return, except those that any function can: see "Statuses" in tsc.h. The function of tsc.h that
//   is called says when each status comes.
// - Ownership: cache, config and attempt own their handle and free it; they can be moved but not
//   copied. With an empty handle (default-made, moved from, or from a failed result) every call
//   returns TSC_INVALID_ARGUMENT and does nothing. They may be destroyed in any order.
// - Threads: const calls may run at the same time on one object, as in C. Moving, assigning and
//   destroying must not run at the same time as anything else on it. attempt::wait with a handler
//   and the calls of attempt that are not const must not run at the same time as each other.
// - NULL: no argument may be a null pointer unless its description says so. Views may be empty.
// - Your exceptions: if a listener or handler throws, the exception is caught and lost, because
//   nobody could handle it. Without exceptions (-fno-exceptions) and without RTTI everything works,
//   except result::value, tsc::check and tsc::error, which do not exist then.
// - Since: everything exists since version 0.1.0, unless its description says otherwise.

#ifndef TSC_HPP
#define TSC_HPP

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define TSC_EXCEPTIONS_ 1
#include <stdexcept>
#endif
#if __cplusplus >= 202002L && __has_include(<span>)
#include <span>
#endif

#include "tsc.h"

namespace tsc {

// TSC_OK and the other statuses of tsc.h.
using status = ::tsc_status;

// Plain data, as in tsc.h. Start from {}.
using options = ::tsc_options;
using session_info = ::tsc_session_info;
using forecast = ::tsc_forecast;
using attempt_info = ::tsc_attempt_info;

// Why an attempt did not resume: attempt::reason, event::reason. New ones may be added.
// TSC_REASON_* in tsc.h say what each means and what to do.
enum class reason : std::uint32_t {
    none = TSC_REASON_NONE,
    nothing_stored = TSC_REASON_NOTHING_STORED,
    expired = TSC_REASON_EXPIRED,
    evicted = TSC_REASON_EVICTED,
    taken = TSC_REASON_TAKEN,
    refused = TSC_REASON_REFUSED,
    withheld = TSC_REASON_WITHHELD,
    waited_in_vain = TSC_REASON_WAITED_IN_VAIN,
    not_sent = TSC_REASON_NOT_SENT,
    not_asked = TSC_REASON_NOT_ASKED,
    cache_off = TSC_REASON_CACHE_OFF,
    failed = TSC_REASON_FAILED,
    other_verification = TSC_REASON_OTHER_VERIFICATION,
    agent_away = TSC_REASON_AGENT_AWAY,
};

// Describes a status in one short phrase. Never null; static.
[[nodiscard]] inline const char *text(status of) noexcept {
    return ::tsc_status_text(of);
}

// The version of the library in use: "major.minor.patch", and major << 16 | minor << 8 | patch.
[[nodiscard]] inline const char *version() noexcept {
    return ::tsc_version();
}
[[nodiscard]] inline std::uint32_t version_number() noexcept {
    return ::tsc_version_number();
}

// Whether the library in use has rustls in it.
[[nodiscard]] inline bool has_rustls() noexcept {
    return ::tsc_has_rustls() != 0;
}

#ifdef TSC_EXCEPTIONS_
// What result::value and check throw.
class error : public std::runtime_error {
  public:
    explicit error(::tsc_status why) : std::runtime_error(text(why)), why_(why) {}
    [[nodiscard]] ::tsc_status status() const noexcept {
        return why_;
    }

  private:
    ::tsc_status why_;
};

// Throws a tsc::error unless the status is TSC_OK.
inline void check(status of) {
    if (of != TSC_OK)
        throw error(of);
}
#endif

// A value, or the status that says why there is none. Without a value it holds an empty T (an empty
// handle, 0), so that taking it is always sound.
template <class T> class [[nodiscard]] result {
  public:
    result(::tsc_status why) noexcept : why_(why) {}
    result(T value) noexcept : value_(std::move(value)) {}

    // Whether there is a value.
    explicit operator bool() const noexcept {
        return why_ == TSC_OK;
    }
    [[nodiscard]] ::tsc_status status() const noexcept {
        return why_;
    }
    T &operator*() &noexcept {
        return value_;
    }
    const T &operator*() const &noexcept {
        return value_;
    }
    T &&operator*() &&noexcept {
        return std::move(value_);
    }
    T *operator->() noexcept {
        return &value_;
    }
    const T *operator->() const noexcept {
        return &value_;
    }

#ifdef TSC_EXCEPTIONS_
    // The value; throws a tsc::error if there is none.
    T value() && {
        check(why_);
        return std::move(value_);
    }
#endif

  private:
    ::tsc_status why_ = TSC_OK;
    T value_{};
};

// A view of bytes that somebody else owns. Made from a pointer and a length, from text, or from any
// contiguous range of bytes (std::vector, std::array, std::span, an array). A string literal counts
// without its NUL.
class bytes {
  public:
    constexpr bytes() noexcept = default;
    constexpr bytes(const std::uint8_t *data, std::size_t size) noexcept
        : data_(data), size_(size) {}
    bytes(std::string_view text) noexcept
        : data_(reinterpret_cast<const std::uint8_t *>(text.data())), size_(text.size()) {}
    // text: NUL-terminated, or null for nothing.
    bytes(const char *text) noexcept : bytes(text ? std::string_view(text) : std::string_view()) {}
    template <class C, class E = std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>,
              class = std::enable_if_t<sizeof(E) == 1 && std::is_trivially_copyable_v<E>>>
    bytes(const C &of) noexcept
        : data_(reinterpret_cast<const std::uint8_t *>(std::data(of))), size_(std::size(of)) {}

    [[nodiscard]] constexpr const std::uint8_t *data() const noexcept {
        return data_;
    }
    [[nodiscard]] constexpr std::size_t size() const noexcept {
        return size_;
    }
    [[nodiscard]] constexpr bool empty() const noexcept {
        return size_ == 0;
    }
    [[nodiscard]] constexpr const std::uint8_t *begin() const noexcept {
        return data_;
    }
    [[nodiscard]] constexpr const std::uint8_t *end() const noexcept {
        return data_ + size_;
    }
    constexpr const std::uint8_t &operator[](std::size_t at) const noexcept {
        return data_[at];
    }
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char *>(data_), size_};
    }
#ifdef __cpp_lib_span
    operator std::span<const std::uint8_t>() const noexcept {
        return {data_, size_};
    }
#endif

  private:
    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

// Owns its bytes, and zeroes them before it frees them: they may be a session.
class buffer {
  public:
    buffer() noexcept = default;
    buffer(buffer &&from) noexcept
        : data_(std::exchange(from.data_, nullptr)), room_(std::exchange(from.room_, 0)),
          size_(std::exchange(from.size_, 0)) {}
    buffer &operator=(buffer &&from) noexcept {
        std::swap(data_, from.data_);
        std::swap(room_, from.room_);
        std::swap(size_, from.size_);
        return *this;
    }
    ~buffer() {
        for (volatile std::uint8_t *at = data_; at != data_ + room_; ++at)
            *at = 0;
        delete[] data_;
    }

    [[nodiscard]] const std::uint8_t *data() const noexcept {
        return data_;
    }
    [[nodiscard]] std::size_t size() const noexcept {
        return size_;
    }
    [[nodiscard]] std::string_view text() const noexcept {
        return bytes(data_, size_).text();
    }

    // Calls fill(data, room, &size) with more and more room as long as it returns TSC_TOO_SMALL.
    // Returns what the last call gave.
    template <class Fill> static result<buffer> filled(Fill &&fill) noexcept {
        buffer it;
        ::tsc_status why = fill(nullptr, std::size_t{0}, &it.size_);
        while (why == TSC_TOO_SMALL) {
            // Some more than is needed now: it may have grown by the next call.
            std::size_t room = it.size_ + it.size_ / 8 + 64;
            it = buffer();
            it.data_ = new (std::nothrow) std::uint8_t[room]();
            if (!it.data_)
                return TSC_NO_MEMORY;
            it.room_ = room;
            why = fill(it.data_, room, &it.size_);
        }
        if (why != TSC_OK)
            return why;
        return it;
    }

  private:
    std::uint8_t *data_ = nullptr;
    std::size_t room_ = 0;
    std::size_t size_ = 0;
};

// Something that happened in a cache. Its views are valid during the call of the listener.
class event {
  public:
    event(const ::tsc_event &of, std::size_t size) noexcept : of_(of), size_(size) {}

    // TSC_EVENT_*; new ones may be added.
    [[nodiscard]] std::uint32_t kind() const noexcept {
        return of_.kind;
    }
    [[nodiscard]] std::uint32_t port() const noexcept {
        return of_.port;
    }
    [[nodiscard]] std::uint64_t count() const noexcept {
        return of_.count;
    }
    [[nodiscard]] std::string_view host() const noexcept {
        return bytes(of_.host, of_.host_len).text();
    }
    [[nodiscard]] std::string_view server_name() const noexcept {
        return bytes(of_.server_name, of_.server_name_len).text();
    }
    [[nodiscard]] std::string_view group() const noexcept {
        return bytes(of_.group, of_.group_len).text();
    }
    // The key that cache::put was given.
    [[nodiscard]] bytes key() const noexcept {
        return bytes(of_.key, of_.key_len);
    }
    // With TSC_EVENT_NOT_OFFERED why, otherwise reason::none.
    [[nodiscard]] tsc::reason reason() const noexcept {
        return static_cast<tsc::reason>(size_ >= sizeof of_ ? of_.reason : TSC_REASON_NONE);
    }

  private:
    const ::tsc_event &of_;
    std::size_t size_;
};

// Called on any thread that is in the library, on several at once, with no lock held. It lives
// until the last cache, config, attempt and attached SSL_CTX that can call it is gone, so it must
// not own one of these.
using listener = std::function<void(const event &)>;

namespace detail {

using listening = std::shared_ptr<const listener>;

// Runs code of the user. No caller could catch what it throws.
template <class F> void contained(F &&run) noexcept {
#ifdef TSC_EXCEPTIONS_
    try {
        run();
    } catch (...) {
    }
#else
    run();
#endif
}

inline void on_event(void *arg, const ::tsc_event *it, std::size_t size) noexcept {
    contained([&] { (*static_cast<const listener *>(arg))(event(*it, size)); });
}

inline result<listening> keep(listener from) noexcept {
#ifdef TSC_EXCEPTIONS_
    try {
        return std::make_shared<const listener>(std::move(from));
    } catch (...) {
        return TSC_NO_MEMORY;
    }
#else
    return std::make_shared<const listener>(std::move(from));
#endif
}

inline std::uint32_t clamped(std::chrono::milliseconds of) noexcept {
    if (of.count() <= 0)
        return 0;
    return of.count() < UINT32_MAX ? static_cast<std::uint32_t>(of.count()) : UINT32_MAX;
}

// A handle of the library, which it frees, and whatever has to live as long as the handle.
template <class T, void (*free)(T *)> class handle {
  public:
    handle() noexcept = default;
    handle(T *of, listening with) noexcept : with_(std::move(with)), of_(of) {}
    handle(handle &&from) noexcept
        : with_(std::move(from.with_)), of_(std::exchange(from.of_, nullptr)) {}
    handle &operator=(handle &&from) noexcept {
        if (this != &from) {
            free(std::exchange(of_, std::exchange(from.of_, nullptr)));
            with_ = std::move(from.with_); // after what may call it
        }
        return *this;
    }
    ~handle() {
        free(of_);
    }
    [[nodiscard]] T *get() const noexcept {
        return of_;
    }
    [[nodiscard]] const listening &with() const noexcept {
        return with_;
    }

  private:
    listening with_;
    T *of_ = nullptr;
};

// What attempt::wait was given, until it is called or given up.
struct waiter {
    virtual ~waiter() = default;
    virtual void call() noexcept = 0; // and ends the waiter

    // The library passes the waiter from thread to thread and orders that; said once more where
    // tools that do not see into the library can see it.
    std::atomic<bool> ready{false};
};

template <class F> struct waiter_for final : waiter {
    template <class G> explicit waiter_for(G &&of) : run(std::forward<G>(of)) {}
    void call() noexcept override {
        contained(run);
        delete this;
    }
    F run;
};

inline void on_ready(void *arg) noexcept {
    auto *it = static_cast<waiter *>(arg);
    (void)it->ready.load(std::memory_order_acquire);
    it->call();
}

template <class T, class D> void release(void *object) noexcept {
    D()(static_cast<T *>(object));
}
template <class T, auto Retain> void retain(void *object) noexcept {
    (void)Retain(static_cast<T *>(object));
}

// Has the library take what object owns: on TSC_OK it is empty.
template <class T, class D, class Take>
::tsc_status handed_over(std::unique_ptr<T, D> &object, Take &&take) noexcept {
    static_assert(std::is_empty_v<D> && std::is_default_constructible_v<D>,
                  "the deleter has to do without state");
    const ::tsc_status why = take(release<T, D>);
    if (why == TSC_OK)
        (void)object.release();
    return why;
}

} // namespace detail

// Options of a cache that shares sessions with other processes: how, with TSC_SHARE.
//
// socket: where tsc-agent listens, lent until the cache is made; empty: what TSC_AGENT says.
// budget: for how long a call may wait for tsc-agent; by default, as long as in tsc_options; 0: not
// at all, as in an event loop (TSC_AGENT_NO_WAIT).
[[nodiscard]] inline options
sharing(options how = {}, std::string_view socket = {},
        std::optional<std::chrono::microseconds> budget = {}) noexcept {
    how.flags |= TSC_SHARE;
    how.agent = bytes(socket).data();
    how.agent_len = socket.size();
    if (budget)
        how.agent_budget_us = budget->count() > 0 && budget->count() < TSC_AGENT_NO_WAIT
                                  ? static_cast<std::uint32_t>(budget->count())
                                  : TSC_AGENT_NO_WAIT;
    return how;
}

// What distinguishes a config. See tsc_config_options.
struct config_options {
    bytes identity = {};
    std::int64_t client_not_after = 0;
    std::uint32_t tickets_new_session = 0;
    std::uint32_t tickets_resumption = 0;
    bytes verification = {}; // of connections whose endpoint has none of its own
    std::uint32_t flags = 0; // TSC_CONFIG_* combined by |

    [[nodiscard]] ::tsc_config_options raw() const noexcept {
        ::tsc_config_options to{};
        to.identity = identity.data();
        to.identity_len = identity.size();
        to.client_not_after = client_not_after;
        to.tickets_new_session = tickets_new_session;
        to.tickets_resumption = tickets_resumption;
        to.verification = verification.data();
        to.verification_len = verification.size();
        to.flags = flags;
        return to;
    }
};

// The server that a session is for. See tsc_endpoint.
struct endpoint {
    std::string_view host;
    std::uint32_t port = 0;
    std::string_view server_name = {}; // empty: the host
    std::string_view group = {};       // empty: none
    bytes verification = {};           // what else this connection alone verifies; empty: nothing
    std::uint32_t flags = 0;           // TSC_ENDPOINT_* combined by |

    [[nodiscard]] ::tsc_endpoint raw() const noexcept {
        const bytes a(host), b(server_name), c(group);
        ::tsc_endpoint to{};
        to.host = a.data();
        to.host_len = a.size();
        to.server_name = b.data();
        to.server_name_len = b.size();
        to.group = c.data();
        to.group_len = c.size();
        to.port = port;
        to.verification = verification.data();
        to.verification_len = verification.size();
        to.flags = flags;
        return to;
    }
};

// A session under a key of your own, with what is known of it.
struct stored {
    buffer data;
    session_info info{};
};

// What an export is: the sealed bytes, and how many sessions stayed because they are objects.
struct exported {
    buffer data;
    std::size_t left_out = 0;
};

namespace detail {

// With the functions of a cache, or those of a config.
template <class Handle, class Export>
result<exported> seal(const Handle *of, Export *function, bytes key) noexcept {
    exported out;
    auto data = buffer::filled([&](std::uint8_t *to, std::size_t room, std::size_t *size) {
        return function(of, key.data(), key.size(), to, room, size, &out.left_out);
    });
    if (!data)
        return data.status();
    out.data = *std::move(data);
    return out;
}

template <class Handle, class Import>
result<std::size_t> unseal(const Handle *of, Import *function, bytes key, bytes data) noexcept {
    std::size_t count = 0;
    const ::tsc_status why = function(of, key.data(), key.size(), data.data(), data.size(), &count);
    return why == TSC_OK ? result<std::size_t>(count) : why;
}

} // namespace detail

// A bounded, thread-safe store of sessions.
class cache {
  public:
    cache() noexcept = default;

    // Makes a cache. on_event: called when something happens in it; may be empty. It replaces
    // how.on_event.
    //
    // Returns TSC_UNSUPPORTED, TSC_TOO_LARGE or TSC_NO_MEMORY.
    static result<cache> make(const options &how = {}, listener on_event = nullptr) noexcept {
        options full = how;
        detail::listening with;
        if (on_event) {
            auto kept = detail::keep(std::move(on_event));
            if (!kept)
                return kept.status();
            with = *std::move(kept);
            full.on_event = detail::on_event;
            full.event_arg = const_cast<listener *>(with.get());
        }
        ::tsc_cache *made = nullptr;
        const ::tsc_status why = ::tsc_cache_new(&full, sizeof full, &made);
        if (why != TSC_OK)
            return why;
        return cache(made, std::move(with));
    }

    // Makes a second handle to the same cache, for another owner.
    //
    // Returns TSC_OK.
    [[nodiscard]] result<cache> share() const noexcept {
        ::tsc_cache *made = nullptr;
        const ::tsc_status why = ::tsc_cache_share(get(), &made);
        if (why != TSC_OK)
            return why;
        return cache(made, it_.with());
    }

    // Closes the cache for all its handles; see tsc_cache_close.
    //
    // Returns TSC_OK.
    status close() const noexcept {
        return ::tsc_cache_close(get());
    }

    // Stores a session under a key of your own.
    //
    // Returns TSC_INVALID_ARGUMENT, TSC_TOO_LARGE, TSC_DISCARDED, TSC_CLOSED or TSC_NO_MEMORY.
    [[nodiscard]] status put(bytes key, const session_info &info, bytes session) const noexcept {
        return ::tsc_put(get(), key.data(), key.size(), &info, sizeof info, session.data(),
                         session.size());
    }
    // Copies out the newest session under a key. A single-use session leaves the cache with it.
    //
    // Returns TSC_NOT_FOUND, TSC_INVALID_ARGUMENT, TSC_TOO_LARGE, TSC_CLOSED or TSC_NO_MEMORY.
    [[nodiscard]] result<stored> take(bytes key) const noexcept {
        stored out;
        auto data = buffer::filled([&](std::uint8_t *to, std::size_t room, std::size_t *size) {
            return ::tsc_get(get(), key.data(), key.size(), to, room, size, &out.info,
                             sizeof out.info);
        });
        if (!data)
            return data.status();
        out.data = *std::move(data);
        return out;
    }
    // Stores an object under a key of your own, and takes it over as attempt::receive does.
    //
    // Returns TSC_INVALID_ARGUMENT, TSC_TOO_LARGE, TSC_DISCARDED, TSC_CLOSED or TSC_NO_MEMORY.
    template <class T, class D>
    [[nodiscard]] status put(bytes key, const session_info &info, std::unique_ptr<T, D> &object,
                             std::size_t length) const noexcept {
        return detail::handed_over(object, [&](auto release) {
            return ::tsc_put_object(get(), key.data(), key.size(), &info, sizeof info, object.get(),
                                    length, release);
        });
    }
    // Hands out the newest object under a key. A single-use session leaves the cache with it.
    //
    // Retain: a function that takes another reference to a T *, such as SSL_SESSION_up_ref, for an
    // object that stays in the cache. D releases the returned reference.
    // Returns TSC_NOT_FOUND, TSC_INVALID_ARGUMENT, TSC_TOO_LARGE or TSC_CLOSED.
    template <class T, class D, auto Retain>
    [[nodiscard]] result<std::unique_ptr<T, D>> take_object(bytes key) const noexcept {
        void *out = nullptr;
        const ::tsc_status why = ::tsc_get_object(get(), key.data(), key.size(), &out,
                                                  detail::retain<T, Retain>, nullptr, 0);
        if (why != TSC_OK)
            return why;
        return std::unique_ptr<T, D>(static_cast<T *>(out));
    }
    // Counts the sessions that take would find under a key, one after another. A reusable one
    // counts once.
    //
    // Returns TSC_INVALID_ARGUMENT, TSC_TOO_LARGE or TSC_CLOSED.
    [[nodiscard]] result<std::size_t> available(bytes key) const noexcept {
        std::size_t count = 0;
        const ::tsc_status why = ::tsc_available(get(), key.data(), key.size(), &count);
        return why == TSC_OK ? result<std::size_t>(count) : why;
    }
    // Drops all sessions under a key.
    //
    // Returns TSC_NOT_FOUND, TSC_INVALID_ARGUMENT, TSC_TOO_LARGE or TSC_CLOSED.
    status remove(bytes key) const noexcept {
        return ::tsc_remove(get(), key.data(), key.size());
    }
    // Drops every session of every endpoint and config.
    //
    // Returns TSC_CLOSED.
    status clear() const noexcept {
        return ::tsc_clear(get());
    }
    // Drops the expired sessions, and gives their number. Optional; see tsc_clear_expired.
    //
    // Returns TSC_CLOSED.
    result<std::size_t> clear_expired() const noexcept {
        std::size_t count = 0;
        const ::tsc_status why = ::tsc_clear_expired(get(), &count);
        return why == TSC_OK ? result<std::size_t>(count) : why;
    }

    // Reads the statistics.
    //
    // Returns TSC_OK.
    [[nodiscard]] result<::tsc_stats> stats() const noexcept {
        ::tsc_stats out{};
        const ::tsc_status why = ::tsc_stats_get(get(), &out, sizeof out);
        return why == TSC_OK ? result<::tsc_stats>(out) : why;
    }
    // Writes the statistics as text for Prometheus.
    //
    // labels: as in cluster="a", or empty.
    // Returns TSC_INVALID_ARGUMENT or TSC_NO_MEMORY.
    [[nodiscard]] result<buffer> prometheus(std::string_view labels = {}) const noexcept {
        return buffer::filled([&](std::uint8_t *to, std::size_t room, std::size_t *size) {
            return ::tsc_stats_prometheus(get(), labels.data(), labels.size(),
                                          reinterpret_cast<char *>(to), room, size);
        });
    }

    // Seals the sessions under keys of your own; see tsc_cache_export.
    //
    // key: TSC_EXPORT_KEY random bytes.
    // Returns TSC_INVALID_ARGUMENT, TSC_UNSUPPORTED, TSC_CLOSED or TSC_NO_MEMORY.
    [[nodiscard]] result<exported> export_sessions(bytes key) const noexcept {
        return detail::seal(get(), ::tsc_cache_export, key);
    }
    // Takes in what export_sessions of a cache sealed, and gives the number of sessions.
    //
    // Returns TSC_NOT_AUTHENTIC, TSC_DISCARDED, TSC_INVALID_ARGUMENT, TSC_CLOSED or TSC_NO_MEMORY.
    result<std::size_t> import_sessions(bytes key, bytes data) const noexcept {
        return detail::unseal(get(), ::tsc_cache_import, key, data);
    }

    // The handle, lent; null if this is empty.
    [[nodiscard]] const ::tsc_cache *get() const noexcept {
        return it_.get();
    }
    // The listener, to be kept as long as something can call it; null if there is none.
    [[nodiscard]] std::shared_ptr<const listener> listening() const noexcept {
        return it_.with();
    }

  private:
    cache(::tsc_cache *of, detail::listening with) noexcept : it_(of, std::move(with)) {}
    detail::handle<::tsc_cache, ::tsc_cache_free> it_;
};

// One TLS configuration, bound to one cache.
class config {
  public:
    config() noexcept = default;

    // Makes a config for any TLS stack.
    //
    // Returns TSC_TOO_LARGE, TSC_INVALID_ARGUMENT, TSC_UNSUPPORTED or TSC_CLOSED.
    static result<config> make(const cache &of, const config_options &how = {}) noexcept {
        const auto raw = how.raw();
        ::tsc_config *made = nullptr;
        const ::tsc_status why = ::tsc_config_new(of.get(), &raw, sizeof raw, &made);
        if (why != TSC_OK)
            return why;
        return config(made, of.listening());
    }
    // Makes a config from a finished rustls configuration, which stays unchanged; see
    // tsc_config_attach.
    //
    // Returns TSC_UNSUPPORTED, TSC_TOO_LARGE, TSC_INVALID_ARGUMENT or TSC_CLOSED.
    static result<config> attach(const cache &of, const ::rustls_client_config *rustls,
                                 const config_options &how = {}) noexcept {
        const auto raw = how.raw();
        ::tsc_config *made = nullptr;
        const ::tsc_status why = ::tsc_config_attach(of.get(), rustls, &raw, sizeof raw, &made);
        if (why != TSC_OK)
            return why;
        return config(made, of.listening());
    }

    // Counts the sessions that attempts to an endpoint would find, one after another. A reusable
    // one counts once.
    //
    // Returns TSC_INVALID_ARGUMENT or TSC_TOO_LARGE.
    [[nodiscard]] result<std::size_t> available(const endpoint &to) const noexcept {
        const auto raw = to.raw();
        std::size_t count = 0;
        const ::tsc_status why = ::tsc_config_available(get(), &raw, sizeof raw, &count);
        return why == TSC_OK ? result<std::size_t>(count) : why;
    }
    // Says what attempts to an endpoint may expect.
    //
    // Returns TSC_INVALID_ARGUMENT or TSC_TOO_LARGE.
    [[nodiscard]] result<::tsc_forecast> forecast(const endpoint &to) const noexcept {
        const auto raw = to.raw();
        ::tsc_forecast out{};
        const ::tsc_status why = ::tsc_config_forecast(get(), &raw, sizeof raw, &out, sizeof out);
        return why == TSC_OK ? result<::tsc_forecast>(out) : why;
    }

    // Seals the sessions of this config; see tsc_config_export.
    //
    // key: TSC_EXPORT_KEY random bytes.
    // Returns TSC_INVALID_ARGUMENT, TSC_UNSUPPORTED, TSC_CLOSED or TSC_NO_MEMORY.
    [[nodiscard]] result<exported> export_sessions(bytes key) const noexcept {
        return detail::seal(get(), ::tsc_config_export, key);
    }
    // Takes in what export_sessions of a config with the same identity sealed, and gives the number
    // of sessions.
    //
    // Returns TSC_NOT_AUTHENTIC, TSC_DISCARDED, TSC_INVALID_ARGUMENT, TSC_UNSUPPORTED, TSC_CLOSED
    // or TSC_NO_MEMORY.
    result<std::size_t> import_sessions(bytes key, bytes data) const noexcept {
        return detail::unseal(get(), ::tsc_config_import, key, data);
    }

    // The handle, lent; null if this is empty.
    [[nodiscard]] const ::tsc_config *get() const noexcept {
        return it_.get();
    }
    [[nodiscard]] std::shared_ptr<const listener> listening() const noexcept {
        return it_.with();
    }

  private:
    config(::tsc_config *of, detail::listening with) noexcept : it_(of, std::move(with)) {}
    detail::handle<::tsc_config, ::tsc_config_free> it_;
};

// A session to offer. What it points to is lent until established, failed, or the end of the
// attempt.
struct session {
    bytes data;             // as it was received; empty if it is an object
    void *object = nullptr; // as it was received; null if it is bytes
    std::uint32_t tls_version = 0;
    std::chrono::seconds lifetime{}; // for which it may still be offered
    std::chrono::milliseconds age{};
};

// What you saw of an attempt that failed, combined by |. See TSC_FACT_*.
enum class facts : std::uint32_t {
    none = 0, // nothing was sent
    sent = TSC_FACT_SENT,
    handshake_done = TSC_FACT_HANDSHAKE_DONE,
    resumed = TSC_FACT_RESUMED,
    timed_out = TSC_FACT_TIMED_OUT,
    cancelled = TSC_FACT_CANCELLED,
    alert = TSC_FACT_ALERT,
};
[[nodiscard]] constexpr facts operator|(facts a, facts b) noexcept {
    return static_cast<facts>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr facts &operator|=(facts &a, facts b) noexcept {
    return a = a | b;
}

// One connection attempt.
class attempt {
  public:
    attempt() noexcept = default;
    attempt(attempt &&from) noexcept
        : it_(std::move(from.it_)), waiter_(std::exchange(from.waiter_, nullptr)) {}
    attempt &operator=(attempt &&from) noexcept {
        if (this != &from) {
            give_up();
            it_ = std::move(from.it_);
            waiter_ = std::exchange(from.waiter_, nullptr);
        }
        return *this;
    }
    ~attempt() {
        give_up();
    }

    // Begins a connection attempt.
    //
    // Returns TSC_INVALID_ARGUMENT or TSC_TOO_LARGE.
    static result<attempt> make(const config &of, const endpoint &to) noexcept {
        const auto raw = to.raw();
        ::tsc_attempt *made = nullptr;
        const ::tsc_status why = ::tsc_attempt_new(of.get(), &raw, sizeof raw, &made);
        if (why != TSC_OK)
            return why;
        return attempt(made, of.listening());
    }

    // Gives the session to offer, leased to this attempt. Ends a wait.
    //
    // Returns TSC_NOT_FOUND (do a full handshake), TSC_WRONG_STATE, TSC_UNSUPPORTED or TSC_CLOSED.
    [[nodiscard]] result<session> offer() noexcept {
        give_up();
        ::tsc_session raw{};
        const ::tsc_status why = ::tsc_attempt_offer(get(), &raw, sizeof raw);
        if (why != TSC_OK)
            return why;
        session out;
        out.data = bytes(raw.data, raw.len);
        out.object = raw.object;
        out.tls_version = raw.tls_version;
        out.lifetime = std::chrono::seconds(raw.lifetime_seconds);
        out.age = std::chrono::milliseconds(raw.age_ms);
        return out;
    }
    // Says that the ClientHello with the offered session may have left. Call it before the first
    // bytes are written.
    //
    // Returns TSC_CLOSED.
    status sent() const noexcept {
        return ::tsc_attempt_sent(get());
    }

    // Takes a session that the server sent, as bytes, which are copied.
    //
    // Returns TSC_INVALID_ARGUMENT, TSC_TOO_LARGE, TSC_DISCARDED, TSC_CLOSED or TSC_NO_MEMORY.
    status receive(const session_info &info, bytes data) const noexcept {
        return ::tsc_attempt_receive(get(), &info, sizeof info, data.data(), data.size());
    }
    // Takes a session that the server sent, as an object. On TSC_OK object is empty, and D is
    // called on any thread when the library is done; otherwise object is as it was.
    //
    // length: as bytes, or 0 if that is not known.
    // Returns TSC_INVALID_ARGUMENT, TSC_TOO_LARGE, TSC_DISCARDED, TSC_CLOSED or TSC_NO_MEMORY.
    template <class T, class D>
    status receive(const session_info &info, std::unique_ptr<T, D> &object,
                   std::size_t length) const noexcept {
        return detail::handed_over(object, [&](auto release) {
            return ::tsc_attempt_receive_object(get(), &info, sizeof info, object.get(), length,
                                                release);
        });
    }
    // Asks whether to take a session, where that is expensive.
    //
    // Returns TSC_DISCARDED or TSC_CLOSED.
    [[nodiscard]] status wants_another() const noexcept {
        return ::tsc_attempt_wants_another(get());
    }
    // Says when the server's certificate ends, where only the connection knows it.
    //
    // not_after: Unix seconds, above 0.
    // Returns TSC_INVALID_ARGUMENT or TSC_CLOSED.
    status set_not_after(std::int64_t not_after) const noexcept {
        return ::tsc_attempt_set_not_after(get(), not_after);
    }

    // Says that the connection is not one to its endpoint after all; see tsc_attempt_withdraw. Call
    // it before the first bytes are written. The session goes back; report how the connection ends
    // as usual.
    //
    // Returns TSC_WRONG_STATE or TSC_CLOSED.
    status withdraw() const noexcept {
        return ::tsc_attempt_withdraw(get());
    }

    // Reports how the attempt ended. You may ignore the statuses: trouble costs a full handshake.
    // established: TLS is verified, and the application's own login is done.
    //
    // Returns TSC_WRONG_STATE, TSC_INVALID_ARGUMENT or TSC_CLOSED.
    status established(bool resumed) noexcept {
        give_up();
        return ::tsc_attempt_established(get(), resumed);
    }
    // Says that the attempt failed.
    //
    // Returns TSC_WRONG_STATE, TSC_UNSUPPORTED or TSC_CLOSED.
    status failed(facts seen) noexcept {
        give_up();
        return ::tsc_attempt_failed(get(), static_cast<std::uint32_t>(seen));
    }

    // Reads what has become of the attempt so far.
    //
    // Returns TSC_CLOSED.
    [[nodiscard]] result<attempt_info> info() const noexcept {
        attempt_info out{};
        const ::tsc_status why = ::tsc_attempt_info_get(get(), &out, sizeof out);
        return why == TSC_OK ? result<attempt_info>(out) : why;
    }
    // Says why it did not resume; reason::none if it did, or if that is not decided yet.
    //
    // Returns what info returns.
    [[nodiscard]] result<tsc::reason> reason() const noexcept {
        const auto of = info();
        return of ? result<tsc::reason>(static_cast<tsc::reason>(of->reason)) : of.status();
    }
    // Gives the rustls configuration for this connection, which the caller frees.
    //
    // Returns TSC_UNSUPPORTED or TSC_CLOSED.
    [[nodiscard]] result<const ::rustls_client_config *> rustls_config() const noexcept {
        const ::rustls_client_config *out = nullptr;
        const ::tsc_status why = ::tsc_attempt_rustls_config(get(), &out);
        return why == TSC_OK ? result<const ::rustls_client_config *>(out) : why;
    }

    // Waits while a session is on its way, at most this long; see tsc_attempt_wait. Less than 0 is
    // 0.
    //
    // Returns TSC_WRONG_STATE or TSC_CLOSED.
    status wait(std::chrono::milliseconds longest) const noexcept {
        return ::tsc_attempt_wait(get(), detail::clamped(longest));
    }

    // Waits without blocking: calls a callable that takes nothing, which may be movable only.
    //
    // With TSC_WAIT, ready is called once, on whichever thread ended the wait, possibly before this
    // has returned; it may use the attempt, but not end it while this runs. The library starts no
    // thread: set a timer of your own to `longest`, and call wait_end when it fires. Otherwise, and
    // if the wait is given up (wait_end, offer, established, failed, the end of the attempt), ready
    // is destroyed and not called. With TSC_OK there is nothing to wait for. Throws what copying or
    // moving `ready` throws.
    //
    // Returns TSC_WAIT, TSC_WRONG_STATE, TSC_NO_MEMORY or TSC_CLOSED.
    template <class F, class = std::enable_if_t<std::is_invocable_v<std::decay_t<F> &>>>
    [[nodiscard]] status wait(std::chrono::milliseconds longest, F &&ready) {
        using own = detail::waiter_for<std::decay_t<F>>;
        auto *fresh = new (std::nothrow) own(std::forward<F>(ready));
        if (!fresh)
            return TSC_NO_MEMORY;
        // Known before the library has it: the callable may make the offer.
        detail::waiter *before = std::exchange(waiter_, fresh);
        fresh->ready.store(true, std::memory_order_release);
        const status why =
            ::tsc_attempt_wait_callback(get(), detail::clamped(longest), detail::on_ready, fresh);
        if (why != TSC_WAIT) {
            waiter_ = before; // it may still wait
            delete fresh;
        }
        return why;
    }
    // Waits in an event loop: returns a descriptor that becomes readable when the wait is over,
    // also at the deadline, or -1 if there is nothing to wait for. The descriptor is lent until the
    // end of the attempt: poll it, do not read or close it.
    //
    // Returns TSC_WRONG_STATE, TSC_UNSUPPORTED, TSC_NO_MEMORY or TSC_CLOSED.
    [[nodiscard]] result<int> wait_fd(std::chrono::milliseconds longest) const noexcept {
        std::int32_t fd = -1;
        const ::tsc_status why = ::tsc_attempt_wait_fd(get(), detail::clamped(longest), &fd);
        return why == TSC_OK || why == TSC_WAIT ? result<int>(int{fd}) : why;
    }
    // Gives up the place in the queue. With TSC_OK, the handler given to wait is not called; with
    // TSC_WRONG_STATE there is no wait, or the handler is being called.
    //
    // Returns TSC_WRONG_STATE or TSC_CLOSED.
    status wait_end() noexcept {
        const status why = ::tsc_attempt_wait_end(get());
        if (why == TSC_OK)
            delete std::exchange(waiter_, nullptr);
        return why;
    }

    // The handle, lent; null if this is empty.
    [[nodiscard]] const ::tsc_attempt *get() const noexcept {
        return it_.get();
    }

  private:
    attempt(::tsc_attempt *of, detail::listening with) noexcept : it_(of, std::move(with)) {}

    // The library forgets a callback with its attempt and says nothing, so it is asked first.
    void give_up() noexcept {
        if (waiter_)
            (void)wait_end();
    }

    detail::handle<::tsc_attempt, ::tsc_attempt_free> it_;
    // Of the last wait with a handler. Only good for as long as the library says that it waits.
    detail::waiter *waiter_ = nullptr;
};

} // namespace tsc

#endif // TSC_HPP
