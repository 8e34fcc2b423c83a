#pragma once

#include "protocol/address.hpp"
#include "protocol/packet.hpp"
#include "protocol/profile.hpp"
#include "protocol/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace tonel::protocol {

/// Why nothing gets through a tunnel, as far as one of its ends can tell.
enum class opening_cause : std::uint8_t {
  no_answer,            ///< to any SYN
  refused,              ///< a RST answers the SYN
  unreachable,          ///< ICMP answers it
  mute,                 ///< some TCP answers the SYN, and nothing the hello
  hung_up,              ///< it is closed at the hello, by FIN
  reset_at_hello,       ///< by RST: what is no tonel, or one that takes no more
  not_tonel,            ///< what comes is no hello
  older_dialect,        ///< it speaks one that the configuration excludes
  path_ends_tcp,        ///< a proxy on the way carries octets, not segments
  other_key,            ///< the streams open, and the ends encrypt by different keys
  no_reply,             ///< the streams open, datagrams go, and none has ever come back
  unresolved,           ///< the remote's name
  no_route,             ///< the host has none to the remote
  own_host,             ///< the remote is this host
  no_family,            ///< no address of a family that can be used
  no_port,              ///< none is free
  not_taken,            ///< the direct path takes no packets of another connection
  stream_failed,        ///< a fault of the program
  upstream_refused,     ///< server: nobody listens at the upstream's port
  upstream_unreachable, ///< server: the upstream's host, or the way to it
  count_,
};
inline constexpr std::size_t opening_causes = static_cast<std::size_t>(opening_cause::count_);
/// The enumerator's name: "no_answer".
const char* to_string(opening_cause c) noexcept;

/// Nobody answers as the other end of a tunnel would: attempts are to be few.
bool keeps_from_opening(opening_cause c) noexcept;

/// Why nothing gets through, and what shows it.
struct opening_failure {
  opening_cause cause = opening_cause::no_answer;
  endpoint remote;                ///< none: not resolved
  profile wire = profile::native; ///< older_dialect: what it speaks; else what was to be spoken
  bool was_native = false;        ///< refused: by one whose hello was read before
  bool at_server = false;         ///< a server says so, of a client
  bool here = false;              ///< unreachable: said by a host that has our own address
  unreachable_kind icmp = unreachable_kind::host;
  ip_address from; ///< of the ICMP
  /// The first octets that were no hello.
  std::array<std::uint8_t, 16> said{};
  std::uint8_t said_size = 0;
};

} // namespace tonel::protocol
