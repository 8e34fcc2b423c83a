#include "protocol/hello.hpp"

#include "protocol/siphash.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

// Neither text nor the start of a likely protocol.
constexpr std::array<std::uint8_t, 8> magic{0x9d, 't', 'o', 'n', 'e', 'l', 0x0a, 0x1a};

// The offset of each field (docs/wire.md, "Hello").
constexpr std::size_t version_at = 8;
constexpr std::size_t flags_at = 9;
constexpr std::size_t index_at = 10;
constexpr std::size_t count_at = 11;
constexpr std::size_t offset_at = 12;
constexpr std::size_t control_at = 16;
constexpr std::size_t session_at = 20;
constexpr std::size_t counter_at = 28;
constexpr std::size_t client_iss_at = 36;
constexpr std::size_t server_iss_at = 40;
constexpr std::size_t capabilities_at = 44;
constexpr std::size_t keepalive_at = 48;
constexpr std::size_t mtu_at = 50;
constexpr std::size_t secret_at = 52;
constexpr std::size_t tag_at = 68;

constexpr std::uint8_t introduces_flag = 0x01;
constexpr std::uint8_t tcp_ends_flag = 0x02;
constexpr std::uint8_t known_flags = introduces_flag | tcp_ends_flag;

constexpr std::uint8_t known_version = 2;
// A handshake packet fits into one segment, so no hello starts later.
constexpr std::uint32_t max_offset = 65'535;

} // namespace

std::string short_name(const session_id& id) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < 4; ++i) {
    out += digits[id[i] >> 4];
    out += digits[id[i] & 0xf];
  }
  return out;
}

bool has_hello_magic(byte_view bytes) noexcept {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

expected<hello_repr, errc> parse_hello(byte_view bytes) noexcept {
  if (bytes.size() < hello_size || !has_hello_magic(bytes)) return unexpected{errc::bad_hello};

  hello_repr hello;
  hello.version = bytes[version_at];
  const auto flags = bytes[flags_at];
  hello.introduces = (flags & introduces_flag) != 0;
  hello.tcp_ends = (flags & tcp_ends_flag) != 0;
  hello.stream_index = bytes[index_at];
  hello.stream_count = bytes[count_at];
  hello.offset = load_be32(bytes, offset_at);
  hello.control_length = load_be32(bytes, control_at);
  std::copy_n(bytes.begin() + session_at, hello.session.size(), hello.session.begin());
  hello.counter = load_be64(bytes, counter_at);
  hello.client_iss = {load_be32(bytes, client_iss_at)};
  hello.server_iss = {load_be32(bytes, server_iss_at)};
  hello.capabilities = load_be32(bytes, capabilities_at);
  hello.keepalive = std::chrono::seconds{load_be16(bytes, keepalive_at)};
  hello.mtu = load_be16(bytes, mtu_at);
  std::copy_n(bytes.begin() + secret_at, hello.secret.size(), hello.secret.begin());
  hello.tag = load_be64(bytes, tag_at);

  if (hello.version != known_version || (flags & ~known_flags) != 0)
    return unexpected{errc::bad_hello};
  if (hello.stream_count == 0 || hello.stream_index >= hello.stream_count)
    return unexpected{errc::bad_hello};
  if (hello.offset > max_offset) return unexpected{errc::bad_hello};
  // Control ends with the hello; with another length, data would be read as control or the reverse.
  if (hello.control_length != hello.offset + hello_size) return unexpected{errc::bad_hello};
  const bool sound =
      hello.introduces ? proves(hello, hello.secret) : hello.secret == session_secret{};
  if (!sound) return unexpected{errc::bad_hello};
  return hello;
}

std::array<std::uint8_t, hello_size> encode_hello(const hello_repr& hello,
                                                  const session_secret& secret) noexcept {
  std::array<std::uint8_t, hello_size> out{};
  const byte_span bytes{out};
  std::copy(magic.begin(), magic.end(), out.begin());
  out[version_at] = hello.version;
  out[flags_at] = static_cast<std::uint8_t>((hello.introduces ? introduces_flag : 0) |
                                            (hello.tcp_ends ? tcp_ends_flag : 0));
  out[index_at] = hello.stream_index;
  out[count_at] = hello.stream_count;
  store_be32(bytes, offset_at, hello.offset);
  store_be32(bytes, control_at, hello.control_length);
  std::copy(hello.session.begin(), hello.session.end(), out.begin() + session_at);
  store_be64(bytes, counter_at, hello.counter);
  store_be32(bytes, client_iss_at, hello.client_iss.raw);
  store_be32(bytes, server_iss_at, hello.server_iss.raw);
  store_be32(bytes, capabilities_at, hello.capabilities);
  const auto seconds = std::clamp<std::chrono::seconds::rep>(hello.keepalive.count(), 0, 65'535);
  store_be16(bytes, keepalive_at, static_cast<std::uint16_t>(seconds));
  store_be16(bytes, mtu_at, hello.mtu);
  if (hello.introduces) std::copy(secret.begin(), secret.end(), out.begin() + secret_at);
  store_be64(bytes, tag_at, siphash24(secret, byte_view{bytes}.subview(0, tag_at)));
  return out;
}

std::uint32_t key_capability(const session_secret& secret, std::uint64_t mark) noexcept {
  std::array<std::uint8_t, 8> input{};
  store_be32(input, 0, static_cast<std::uint32_t>(mark >> 32));
  store_be32(input, 4, static_cast<std::uint32_t>(mark));
  const auto hash = static_cast<std::uint16_t>(siphash24(secret, input));
  return (std::uint32_t{hash} << 16) | capability::names_key;
}

bool names_other_key(std::uint32_t capabilities, const session_secret& secret,
                     std::uint64_t mark) noexcept {
  constexpr std::uint32_t hash_bits = 0xffff'0000;
  return (capabilities & capability::names_key) != 0 &&
         (capabilities & hash_bits) != (key_capability(secret, mark) & hash_bits);
}

bool proves(const hello_repr& hello, const session_secret& secret) noexcept {
  return load_be64(encode_hello(hello, secret), tag_at) == hello.tag;
}

namespace {

/// Finds a hello that does not start at a segment border.
std::optional<found_hello> find_shifted(byte_view payload) noexcept {
  const auto* at = payload.begin();
  while ((at = std::search(at, payload.end(), magic.begin(), magic.end())) != payload.end()) {
    const auto offset = static_cast<std::uint32_t>(at - payload.begin());
    const auto hello = parse_hello(payload.subview(offset));
    if (hello && hello->offset == offset) return found_hello{hello, offset, false};
    ++at;
  }
  return std::nullopt;
}

} // namespace

std::optional<found_hello> find_hello(byte_view payload, std::uint32_t datagram_size) noexcept {
  std::optional<found_hello> out;
  const std::size_t step = datagram_size == 0 ? payload.size() : datagram_size;
  for (std::size_t at = 0; at < payload.size(); at += step) {
    const auto rest = payload.subview(at);
    if (!has_hello_magic(rest)) continue;
    const auto hello = parse_hello(rest);
    const bool alone = std::min(step, rest.size()) == hello_size;
    if (!out || hello) out = found_hello{hello, static_cast<std::uint32_t>(at), alone};
    if (hello) return out;
  }
  if (const auto shifted = find_shifted(payload)) return shifted;
  return out;
}

bool shows_proxy(const found_hello& found, std::uint16_t window, seq_num client_iss,
                 seq_num server_iss) noexcept {
  if (!found.alone) return true;
  const auto& hello = *found.hello;
  return hello.client_iss != client_iss && hello.server_iss != server_iss && window != 65'535;
}

} // namespace tonel::protocol
