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
#include <string>

namespace tonel::protocol {

/// Names a session, across streams, addresses and restarts of the server; random.
using session_id = std::array<std::uint8_t, 8>;
/// Proves that a hello belongs to its session: drawn by the client, and sent to the server in the
/// hello that introduces the session.
using session_secret = std::array<std::uint8_t, 16>;
/// A session's name for people, the same at both ends: the first 8 hexadecimal digits of its id.
[[nodiscard]] std::string short_name(const session_id& id);

/// Bits of a hello's capabilities; unknown ones mean nothing.
namespace capability {
/// The SYN-ACK came without window scale: for trackers on the way both ends' windows have 65,535
/// octets.
inline constexpr std::uint32_t unscaled = 1;
/// The upper 16 bits tell by which key the sender changes datagrams, as key_capability() makes them.
inline constexpr std::uint32_t names_key = 2;
} // namespace capability

/// The control message that opens each direction of a native stream (docs/wire.md, "Hello").
struct hello_repr {
  std::uint8_t version = 2;
  bool introduces = false; ///< client: the hello carries the session's secret
  bool tcp_ends = false;   ///< server: the client's hello has shown a proxy that ends TCP
  std::uint8_t stream_index = 0;
  std::uint8_t stream_count = 1;
  std::uint32_t offset = 0;         ///< the hello's own relative sequence number
  std::uint32_t control_length = 0; ///< L: octets of control at the start of this direction
  session_id session{};
  std::uint64_t counter = 0; ///< grows with each stream of a session; the server repeats it
  seq_num client_iss;        ///< initial sequence numbers, as the sender sees them
  seq_num server_iss;
  std::uint32_t capabilities = 0;
  std::chrono::seconds keepalive{0}; ///< client: its keepalive interval
  std::uint16_t mtu = 0;             ///< the sender's, octets
  session_secret secret{};           ///< zeros unless `introduces`
  std::uint64_t tag = 0;             ///< SipHash of all fields before it, keyed by the secret
};

/// The encoded length, octets.
inline constexpr std::size_t hello_size = 76;

/// They begin like a hello of any version.
[[nodiscard]] bool has_hello_magic(byte_view bytes) noexcept;
/// Parses the hello at the start of `bytes`; further octets are ignored. Checks the tag of a hello
/// that introduces its session; check any other tag by proves().
/// Errors: bad_hello (magic, version, flags, lengths, tag); refuse and count
[[nodiscard]] expected<hello_repr, errc> parse_hello(byte_view bytes) noexcept;
/// Encodes a hello, with the tag that this secret makes. hello.tag is ignored, and hello.secret is
/// written only if it introduces; then both secrets are the same.
[[nodiscard]] std::array<std::uint8_t, hello_size>
encode_hello(const hello_repr& hello, const session_secret& secret) noexcept;
/// Whether the tag fits: the sender knows the secret, or has copied the whole hello.
[[nodiscard]] bool proves(const hello_repr& hello, const session_secret& secret) noexcept;

/// The bits that tell which key a sender's datagrams are changed by, to who knows the session's secret and
/// a key to compare; 16 bits of a hash, so that a key that is hard to guess stays so.
/// mark: xor_cipher::mark(); 0: they go as they are
[[nodiscard]] std::uint32_t key_capability(const session_secret& secret,
                                           std::uint64_t mark) noexcept;
/// The sender of these capabilities changes datagrams by another key, and what arrives is garbled. One
/// that does not tell is believed to have the same.
[[nodiscard]] bool names_other_key(std::uint32_t capabilities, const session_secret& secret,
                                   std::uint64_t mark) noexcept;

/// Octets that begin like a hello, and their place in the payload.
struct found_hello {
  expected<hello_repr, errc> hello; ///< or the error, if it is none
  std::uint32_t at = 0;             ///< offset in the payload
  bool alone = true;                ///< alone in its segment, as hellos are sent
};

/// Finds a hello in the payload of a (super-)segment. Best is a hello at a segment border, since
/// the kernel may have merged it with earlier segments; then one elsewhere, at the offset that it
/// names itself, since a proxy may have merged segments; then the first octets that only begin like
/// one.
[[nodiscard]] std::optional<found_hello> find_hello(byte_view payload,
                                                    std::uint32_t datagram_size) noexcept;

/// Whether a hello shows that a proxy ends the TCP connection and carries octets, not segments: the
/// hello shares its segment; or both initial sequence numbers differ from the receiver's view, and
/// the window is none of ours. NATs, SYN proxies and firewalls that change sequence numbers do
/// neither.
[[nodiscard]] bool shows_proxy(const found_hello& found, std::uint16_t window, seq_num client_iss,
                               seq_num server_iss) noexcept;

} // namespace tonel::protocol
