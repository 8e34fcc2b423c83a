#pragma once

#include <cstddef>
#include <cstdint>

namespace tonel::protocol {

/// Why a packet or datagram was dropped. Each cause has a counter; no packet is logged by itself.
enum class errc : std::uint8_t {
  truncated,         ///< shorter than its own headers say
  bad_version,       ///< neither IPv4 nor IPv6
  bad_header_length, ///< IHL, data offset or an extension header is impossible
  bad_length,        ///< IP total length is longer than what was read
  bad_checksum,      ///< wrong TCP or IPv4 checksum, not vouched for by the kernel
  bad_options,       ///< a SYN whose TCP options cannot be parsed
  bad_flags,         ///< impossible flags, such as SYN with FIN, or no ACK after the handshake
  fragment,          ///< an IP fragment (MF or offset)
  not_tcp,           ///< another protocol (MLD, router solicitations, UDP)
  icmp_ignored,      ///< an ICMP message about no stream of ours, or not believable
  out_of_window,     ///< a segment whose numbers cannot be the peer's now
  unproven,          ///< a segment of no stream whose ack proves nothing
  no_stream,         ///< a segment of no stream, answered by RST
  rst_limited,       ///< a RST or challenge ACK not sent, for the limit per second
  hold_full,         ///< early data: no room left to hold it
  not_allowed,       ///< a first segment from a source that its port does not serve
  bad_hello,         ///< a hello that cannot be parsed, contradicts itself or proves nothing
  replayed_hello,    ///< a hello whose counter was used before: a copy, or overtaken by a later one
  path_ends_tcp,     ///< a hello that has come through something that ends TCP connections
  no_session,        ///< a hello that joins an unknown session
  too_large,         ///< a datagram larger than the session's MTU permits
  window_closed,     ///< a datagram over the limit of unacknowledged octets
  not_open,          ///< a datagram for a stream that is not open
  wrong_token,       ///< a legacy handshake with a token that is none of ours
  guess_limited,     ///< a legacy handshake refused after too many wrong guesses
  unacknowledged,    ///< a datagram for a legacy client that has not proven itself
  count_,
};
/// The number of causes, for tables of counters.
inline constexpr std::size_t errc_count = static_cast<std::size_t>(errc::count_);

/// The counter's name: "truncated".
const char* to_string(errc e) noexcept;

} // namespace tonel::protocol
