#pragma once

#include "protocol/bytes.hpp"
#include "protocol/expected.hpp"

#include <cstddef>
#include <cstdint>

namespace tonel::protocol::sealed {

/// Why octets are no first flight of a client with a key.
enum class hello_refusal : std::uint8_t {
  incomplete,  ///< so far they may be one: more are needed
  not_tls,     ///< they are none of TLS, or of another kind than a whole ClientHello in one record
  no_identity, ///< a ClientHello without one identity of a pre-shared key: anybody's
};

/// The longest first flight that is looked at, octets.
inline constexpr std::size_t max_client_hello = 2'048;

/// What a server has to know of a ClientHello before it spends anything on it.
/// Owns: nothing
struct client_hello_view {
  byte_view identity;   ///< of the pre_shared_key extension
  std::size_t size = 0; ///< octets of the record, the first flight
};

/// Finds the identity in the first octets of a connection. All that OpenSSL says of a ClientHello's
/// shape is checked, as far as lengths go; not what is in its other extensions.
/// Errors: incomplete, for which octets are to be kept and more to be awaited; the others tell a
///         stranger
/// Source: RFC 8446 §4.1.2, §4.2.11, §5.1
[[nodiscard]] expected<client_hello_view, hello_refusal>
parse_client_hello(byte_view octets) noexcept;

} // namespace tonel::protocol::sealed
