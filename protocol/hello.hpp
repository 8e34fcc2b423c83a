#pragma once

#include "protocol/bytes.hpp"
#include "protocol/errc.hpp"
#include "protocol/expected.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace tonel::protocol {

/// Names a session across streams, addresses and restarts; random.
using session_id = std::array<std::uint8_t, 16>;

/// Bits of a hello's capabilities; unknown ones mean nothing.
namespace capability {
/// The SYN-ACK came without window scale: both ends' windows are 65,535 octets for the trackers on the
/// way.
inline constexpr std::uint32_t unscaled = 1;
} // namespace capability

/// The control message that opens each direction of a native stream (docs/wire.md, "Hello").
struct hello_repr {
  std::uint8_t version = 1;
  std::uint32_t offset = 0;         ///< its own relative sequence number
  std::uint32_t control_length = 0; ///< L: octets of control at the start of this direction
  session_id session{};
  std::uint8_t stream_index = 0;
  std::uint8_t stream_count = 1;
  std::uint32_t capabilities = 0;
  std::chrono::seconds keepalive{0};
  std::uint16_t mtu = 0; ///< the sender's
};

/// The encoded length, proof field empty.
inline constexpr std::size_t hello_size = 48;

/// Reads the hello at the start of `bytes`; what follows it is not looked at.
/// Errors: bad_hello (magic, version, lengths); count and drop
[[nodiscard]] expected<hello_repr, errc> parse_hello(byte_view bytes) noexcept;
/// The octets of a hello, as they go out.
[[nodiscard]] std::array<std::uint8_t, hello_size> encode_hello(const hello_repr& hello) noexcept;

/// A hello and where it starts in the payload that it was found in.
struct found_hello {
  hello_repr hello;
  std::uint32_t at = 0;
};

/// The first hello that starts at a segment border of a (super-)segment's payload: the kernel may
/// have merged it with what came before.
[[nodiscard]] std::optional<found_hello> find_hello(byte_view payload,
                                                    std::uint32_t datagram_size) noexcept;

} // namespace tonel::protocol
