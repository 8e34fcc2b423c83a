#pragma once

#include <cstddef>
#include <cstdint>

namespace tonel::protocol {

/// Why a packet or datagram was not taken. One counter stands behind each; none is logged a packet.
enum class errc : std::uint8_t {
  truncated,         ///< shorter than its own headers say
  bad_version,       ///< neither IPv4 nor IPv6
  bad_header_length, ///< IHL, data offset or an extension header is impossible
  bad_length,        ///< IP total length is longer than what was read
  bad_checksum,      ///< TCP or IPv4 checksum wrong and not vouched for by the kernel
  bad_options,       ///< TCP options that cannot be walked in a SYN
  bad_flags,         ///< SYN with FIN or RST, no ACK after the handshake, and their like
  fragment,          ///< an IP fragment (MF or offset)
  not_tcp,           ///< another protocol (MLD, router solicitations, UDP)
  icmp_ignored,      ///< an ICMP that says nothing believable about a stream of ours
  out_of_window,     ///< a segment that cannot belong to the stream's present
  unproven,          ///< for no stream, and its ack proves nothing
  no_stream,         ///< for no stream (answered by RST within the limit)
  rst_limited,       ///< a RST or challenge ACK not sent: over the limit per second
  hold_full,         ///< early data: no room left to hold it
  bad_hello,         ///< a hello that cannot be read, contradicts itself or proves nothing
  replayed_hello,    ///< a hello whose counter has opened a stream before: a copy, or overtaken
  path_ends_tcp,     ///< a hello that has come through something that ends TCP connections
  no_session,        ///< a hello that joins a session that is not known (any more)
  too_large,         ///< datagram larger than the session's MTU permits
  window_closed,     ///< datagram over the bound of unacknowledged octets
  not_open,          ///< datagram for a stream that is not open
  wrong_token,       ///< 16 bits of an older client's handshake that are none of ours
  guess_limited,     ///< an older client's handshake, where too many were guessed
  unacknowledged,    ///< datagram for an older client that has not shown that it sees what we send
  count_,
};
/// How many there are, for tables of counters.
inline constexpr std::size_t errc_count = static_cast<std::size_t>(errc::count_);

/// The counter's name: "truncated".
const char* to_string(errc e) noexcept;

} // namespace tonel::protocol
