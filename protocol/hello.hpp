#pragma once

#include "protocol/bytes.hpp"
#include "protocol/errc.hpp"
#include "protocol/expected.hpp"
#include "protocol/seq.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace tonel::protocol {

/// Names a session across streams, addresses and restarts; random.
using session_id = std::array<std::uint8_t, 8>;
/// What proves that a hello is of its session: drawn by the client, told to the server by the hello
/// that introduces the session.
using session_secret = std::array<std::uint8_t, 16>;

/// Bits of a hello's capabilities; unknown ones mean nothing.
namespace capability {
/// The SYN-ACK came without window scale: both ends' windows are 65,535 octets for the trackers on the
/// way.
inline constexpr std::uint32_t unscaled = 1;
} // namespace capability

/// The control message that opens each direction of a native stream (docs/wire.md, "Hello").
struct hello_repr {
  std::uint8_t version = 2;
  bool introduces = false; ///< client: it carries the session's secret
  bool tcp_ends = false;   ///< server: the client's hello has shown that TCP ends on the way
  std::uint8_t stream_index = 0;
  std::uint8_t stream_count = 1;
  std::uint32_t offset = 0;         ///< its own relative sequence number
  std::uint32_t control_length = 0; ///< L: octets of control at the start of this direction
  session_id session{};
  std::uint64_t counter = 0; ///< another one for each stream of a session; the server's repeats it
  seq_num client_iss;        ///< both ends' initial sequence numbers, as the sender sees them
  seq_num server_iss;
  std::uint32_t capabilities = 0;
  std::chrono::seconds keepalive{0};
  std::uint16_t mtu = 0;   ///< the sender's
  session_secret secret{}; ///< zeros, unless it introduces
  std::uint64_t tag = 0;   ///< over all before it, keyed by the secret
};

/// The encoded length.
inline constexpr std::size_t hello_size = 76;

/// Reads the hello at the start of `bytes`; what follows it is not looked at. The tag of one that
/// introduces its session is checked, that of any other is proves()'s.
/// Errors: bad_hello (magic, version, flags, lengths, tag); refuse and count
[[nodiscard]] expected<hello_repr, errc> parse_hello(byte_view bytes) noexcept;
/// The octets of a hello, as they go out, with the tag that this secret makes. Its own tag is not
/// looked at, nor its secret unless it introduces; then both are the same.
[[nodiscard]] std::array<std::uint8_t, hello_size>
encode_hello(const hello_repr& hello, const session_secret& secret) noexcept;
/// Its sender knows the secret, or has copied it whole.
[[nodiscard]] bool proves(const hello_repr& hello, const session_secret& secret) noexcept;

/// What begins like a hello, and where it starts in the payload that it was found in.
struct found_hello {
  expected<hello_repr, errc> hello; ///< or why it can be none
  std::uint32_t at = 0;
  bool alone = true; ///< in its segment, as each is sent
};

/// The first hello that starts at a segment border of a (super-)segment's payload: the kernel may
/// have merged it with what came before. Without one, a hello that starts elsewhere, as far from the
/// payload's start as it says itself: something has put segments together. Without that, the first
/// that only begins like one.
[[nodiscard]] std::optional<found_hello> find_hello(byte_view payload,
                                                    std::uint32_t datagram_size) noexcept;

/// Something between the ends ends TCP connections, and carries octets, not segments: the hello shares
/// its segment, or neither end's initial sequence number is what the other one sees and the window is
/// none of ours. NATs, SYN proxies and firewalls that change sequence numbers do neither.
[[nodiscard]] bool shows_proxy(const found_hello& found, std::uint16_t window, seq_num client_iss,
                               seq_num server_iss) noexcept;

} // namespace tonel::protocol
