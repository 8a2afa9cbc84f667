// What a C++ driver writes for itself: a map, a list in the order of use, and one mutex.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

struct Entry {
    std::string key;
    std::deque<std::vector<std::uint8_t>> sessions;
};

struct Cache {
    std::mutex mutex;
    std::list<Entry> entries; // most recently used first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key;
    std::size_t capacity;
    std::size_t each;
};

} // namespace

extern "C" {

Cache *map_new(std::size_t capacity, std::size_t each) {
    auto *cache = new Cache;
    cache->capacity = capacity;
    cache->each = each;
    return cache;
}

void map_free(Cache *cache) {
    delete cache;
}

bool map_get(Cache *cache, const std::uint8_t *key, std::size_t len, std::uint8_t *out, bool take) {
    std::lock_guard lock(cache->mutex);
    auto found = cache->by_key.find({reinterpret_cast<const char *>(key), len});
    if (found == cache->by_key.end() || found->second->sessions.empty())
        return false;
    auto entry = found->second;
    cache->entries.splice(cache->entries.begin(), cache->entries, entry);
    const auto &session = entry->sessions.back();
    std::memcpy(out, session.data(), session.size());
    if (take)
        entry->sessions.pop_back();
    return true;
}

void map_put(Cache *cache, const std::uint8_t *key, std::size_t len, const std::uint8_t *data,
             std::size_t data_len, bool ticket) {
    std::vector<std::uint8_t> session(data, data + data_len);
    std::lock_guard lock(cache->mutex);
    std::string_view name(reinterpret_cast<const char *>(key), len);
    auto found = cache->by_key.find(name);
    if (found == cache->by_key.end()) {
        if (cache->entries.size() == cache->capacity) {
            cache->by_key.erase(cache->entries.back().key);
            cache->entries.pop_back();
        }
        cache->entries.emplace_front(Entry{std::string(name), {}});
        found = cache->by_key.emplace(cache->entries.front().key, cache->entries.begin()).first;
    } else {
        cache->entries.splice(cache->entries.begin(), cache->entries, found->second);
    }
    auto &sessions = found->second->sessions;
    if (sessions.size() == (ticket ? cache->each : 1))
        sessions.pop_front();
    sessions.push_back(std::move(session));
}
}
