#include "protocol/hello.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

// Neither text nor a protocol that a datagram is likely to start with.
constexpr std::array<std::uint8_t, 8> magic{0x9d, 't', 'o', 'n', 'e', 'l', 0x0a, 0x1a};

// Where each field lies (docs/wire.md, "Hello").
constexpr std::size_t version_at = 8;
constexpr std::size_t index_at = 10;
constexpr std::size_t count_at = 11;
constexpr std::size_t offset_at = 12;
constexpr std::size_t control_at = 16;
constexpr std::size_t session_at = 20;
constexpr std::size_t capabilities_at = 36;
constexpr std::size_t keepalive_at = 40;
constexpr std::size_t mtu_at = 42;
constexpr std::size_t proof_length_at = 44;

constexpr std::uint8_t known_version = 1;
// A handshake packet fits into one segment, so a hello can't start further on.
constexpr std::uint32_t max_offset = 65'535;

} // namespace

expected<hello_repr, errc> parse_hello(byte_view bytes) noexcept {
  if (bytes.size() < hello_size) return unexpected{errc::bad_hello};
  if (!std::equal(magic.begin(), magic.end(), bytes.begin())) return unexpected{errc::bad_hello};

  hello_repr hello;
  hello.version = bytes[version_at];
  hello.stream_index = bytes[index_at];
  hello.stream_count = bytes[count_at];
  hello.offset = load_be32(bytes, offset_at);
  hello.control_length = load_be32(bytes, control_at);
  std::copy_n(bytes.begin() + session_at, hello.session.size(), hello.session.begin());
  hello.capabilities = load_be32(bytes, capabilities_at);
  hello.keepalive = std::chrono::seconds{load_be16(bytes, keepalive_at)};
  hello.mtu = load_be16(bytes, mtu_at);
  const std::size_t proof_length = load_be16(bytes, proof_length_at);

  if (hello.version != known_version) return unexpected{errc::bad_hello};
  if (hello.stream_count == 0 || hello.stream_index >= hello.stream_count)
    return unexpected{errc::bad_hello};
  if (hello.offset > max_offset) return unexpected{errc::bad_hello};
  // Control ends with the hello: whoever sees another length reads data as control or the reverse.
  if (hello.control_length != hello.offset + hello_size + proof_length)
    return unexpected{errc::bad_hello};
  if (bytes.size() < hello_size + proof_length) return unexpected{errc::bad_hello};
  return hello;
}

std::array<std::uint8_t, hello_size> encode_hello(const hello_repr& hello) noexcept {
  std::array<std::uint8_t, hello_size> out{};
  const byte_span bytes{out};
  std::copy(magic.begin(), magic.end(), out.begin());
  out[version_at] = hello.version;
  out[index_at] = hello.stream_index;
  out[count_at] = hello.stream_count;
  store_be32(bytes, offset_at, hello.offset);
  store_be32(bytes, control_at, hello.control_length);
  std::copy(hello.session.begin(), hello.session.end(), out.begin() + session_at);
  store_be32(bytes, capabilities_at, hello.capabilities);
  const auto seconds = std::clamp<std::chrono::seconds::rep>(hello.keepalive.count(), 0, 65'535);
  store_be16(bytes, keepalive_at, static_cast<std::uint16_t>(seconds));
  store_be16(bytes, mtu_at, hello.mtu);
  return out;
}

std::optional<found_hello> find_hello(byte_view payload, std::uint32_t datagram_size) noexcept {
  const std::size_t step = datagram_size == 0 ? payload.size() : datagram_size;
  for (std::size_t at = 0; at + hello_size <= payload.size(); at += step) {
    if (const auto hello = parse_hello(payload.subview(at)))
      return found_hello{*hello, static_cast<std::uint32_t>(at)};
  }
  return std::nullopt;
}

} // namespace tonel::protocol
