#include "actors/shard/session_memory.hpp"

#include "protocol/siphash.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <vector>

namespace tonel::actors {

namespace {

constexpr std::string_view first_line = "tonel sessions 1";
/// More streams than a session can open in its life: a program that ends without a word has not said how
/// many it had.
constexpr std::uint64_t counter_step = std::uint64_t{1} << 32;
/// As many steps are left for later programs.
constexpr std::uint64_t most_counter = std::uint64_t{1} << 63;
constexpr std::size_t words_of_key = 4, words_of_line = words_of_key + 4;

template <std::size_t N> std::string hex(const std::array<std::uint8_t, N>& octets) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const auto octet : octets) {
    out += digits[octet >> 4];
    out += digits[octet & 15];
  }
  return out;
}

template <class Number> std::optional<Number> number_of(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <std::size_t N> bool read_hex(std::string_view text, std::array<std::uint8_t, N>& out) {
  if (text.size() != 2 * N) return false;
  for (std::size_t i = 0; i < N; ++i) {
    const auto octet = number_of<std::uint8_t>(text.substr(2 * i, 2), 16);
    if (!octet) return false;
    out[i] = *octet;
  }
  return true;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  for (std::size_t from = 0; from <= text.size();) {
    const auto end = std::min(text.find(at, from), text.size());
    out.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return out;
}

bool is_key(const std::vector<std::string_view>& words) {
  std::array<std::uint8_t, 8> tunnel{};
  return read_hex(words[0], tunnel) && protocol::endpoint::parse(words[1]) &&
         (words[2] == "none" || protocol::ip_address::parse(words[2])) &&
         number_of<std::uint32_t>(words[3]);
}

} // namespace

std::string session_memory::key_of(const tunnel_config& tunnel,
                                   const sys::datagram_path& application) {
  const auto mark = tunnel.cipher ? tunnel.cipher->mark() : 0;
  const auto text = tunnel.remote.host + ' ' + std::to_string(tunnel.remote.port) + ' ' +
                    tunnel.local_udp.to_string() + ' ' + std::to_string(tunnel.streams) + ' ' +
                    std::to_string(mark) + ' ' + std::to_string(static_cast<int>(tunnel.wire));
  const protocol::byte_view octets{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  std::array<std::uint8_t, 8> hash{};
  protocol::store_be64(hash, 0, protocol::siphash24({}, octets));
  return hex(hash) + ' ' + application.peer.to_string() + ' ' + application.local.to_string() +
         ' ' + std::to_string(application.interface);
}

std::optional<remembered_session> session_memory::take(const std::string& key) {
  const std::lock_guard lock{mutex_};
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return std::nullopt;
  auto& session = known->second->second;
  const auto out = session;
  if (session.claim.counter >= most_counter) return std::nullopt;
  session.claim.counter += counter_step;
  changed();
  return out;
}

void session_memory::keep(const std::string& key, const remembered_session& session) {
  const std::lock_guard lock{mutex_};
  auto kept = session;
  kept.claim.introduces = false;
  kept.claim.counter += counter_step;
  put(key, kept);
  changed();
}

void session_memory::put(const std::string& key, const remembered_session& session) {
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    known->second->second = session;
    all_.splice(all_.end(), all_, known->second);
    return;
  }
  all_.emplace_back(key, session);
  by_key_.emplace(key, std::prev(all_.end()));
  if (all_.size() <= most_) return;
  by_key_.erase(all_.front().first);
  all_.pop_front();
}

void session_memory::forget(const std::string& key, const protocol::session_id& id) {
  const std::lock_guard lock{mutex_};
  const auto known = by_key_.find(key);
  if (known == by_key_.end() || known->second->second.claim.id != id) return;
  all_.erase(known->second);
  by_key_.erase(known);
  changed();
}

std::size_t session_memory::size() const {
  const std::lock_guard lock{mutex_};
  return all_.size();
}

std::string session_memory::text() const {
  const std::lock_guard lock{mutex_};
  std::string out{first_line};
  out += '\n';
  auto from = all_.begin();
  if (all_.size() > most_saved)
    std::advance(from, static_cast<std::ptrdiff_t>(all_.size() - most_saved));
  for (; from != all_.end(); ++from) {
    const auto& [key, session] = *from;
    out += key + ' ' + session.at.to_string() + ' ' + hex(session.claim.id) + ' ' +
           hex(session.claim.secret) + ' ' + std::to_string(session.claim.counter) + '\n';
  }
  return out;
}

bool session_memory::load(std::string_view text) {
  if (text.size() > most_text || text.empty() || text.back() != '\n') return false;
  const auto lines = split(text.substr(0, text.size() - 1), '\n');
  if (lines.front() != first_line || lines.size() > most_saved + 1) return false;
  std::vector<entry> found;
  for (auto line = lines.begin() + 1; line != lines.end(); ++line) {
    const auto words = split(*line, ' ');
    if (words.size() != words_of_line || !is_key(words)) return false;
    remembered_session session;
    const auto at = protocol::endpoint::parse(words[words_of_key]);
    const auto counter = number_of<std::uint64_t>(words[words_of_key + 3]);
    if (!at || !counter || *counter >= most_counter ||
        !read_hex(words[words_of_key + 1], session.claim.id) ||
        !read_hex(words[words_of_key + 2], session.claim.secret))
      return false;
    session.at = *at;
    session.claim.introduces = false;
    session.claim.counter = *counter + counter_step;
    const auto& last = words[words_of_key - 1];
    found.emplace_back(
        line->substr(0, static_cast<std::size_t>(last.data() + last.size() - line->data())),
        session);
  }
  const std::lock_guard lock{mutex_};
  for (const auto& [key, session] : found)
    put(key, session);
  return true;
}

void session_memory::keep_in_file(std::function<void()> on_change) {
  const std::lock_guard lock{mutex_};
  on_change_ = std::move(on_change);
}

bool session_memory::is_kept() const {
  const std::lock_guard lock{mutex_};
  return on_change_ != nullptr;
}

void session_memory::changed() const {
  if (on_change_) on_change_();
}

} // namespace tonel::actors
