#pragma once

#include "protocol/expected.hpp"
#include "protocol/sealed/secret.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tonel::protocol::sealed {

// Sealed tunnels: what makes a stream that is a TLS 1.3 connection to whoever looks, and whose
// datagrams nobody else can read, change or repeat. Here are the values and machines that need no
// cryptographic library; what does is behind crypto.hpp.

/// What is wrong with the text of a key.
enum class key_error : std::uint8_t {
  empty,
  several_lines,
  wrong_length, ///< not the 44 characters that 32 octets take
  not_base64,
  all_zeros,
};
/// What is wrong, in words for the user: "it is empty".
const char* to_string(key_error e) noexcept;

/// Reads a key from the text of its file.
/// Shape:  32 octets in base64, one line, as `wg genpsk` prints them; blanks around it are ignored
/// Errors: each is the user's to mend; the words don't repeat any of the text
[[nodiscard]] expected<secret, key_error> parse_key(std::string_view text) noexcept;
/// The text of a key, without the end of the line.
[[nodiscard]] std::string format_key(const secret& key);

/// A name that a key may have at a server, where status, metrics and log show it.
/// Shape: 1 to 32 of A-Z a-z 0-9 . _ - with a letter or digit first
[[nodiscard]] bool is_key_name(std::string_view name) noexcept;

/// One of a server's keys.
struct named_key {
  std::string name;
  secret key;
};
/// The most keys that a server tries for a connection.
inline constexpr std::size_t most_keys = 1'024;

} // namespace tonel::protocol::sealed
