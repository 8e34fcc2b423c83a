#pragma once

#include "protocol/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace tonel::protocol::sealed {

// The content of a control record: messages, one after the other, of kind(1) length(2) body. Kinds
// that are not known are passed over, so that later versions can say more.

/// Why a server has no place for a client, in words for its log and status.
enum class refusal_reason : std::uint8_t {
  key_withdrawn = 1, ///< the server does not serve this key any more
  server_full = 2,   ///< a limit of the server's
};
/// In words: "the server has withdrawn the key".
const char* to_string(refusal_reason r) noexcept;

/// The kinds of message.
enum class control_kind : std::uint8_t { refusal = 1 };

/// One message of a control record. kind: of any version
/// Owns: nothing
struct control_message {
  std::uint8_t kind = 0;
  byte_view body;
};

/// Walks through the messages of a control record; ends where one is cut short.
class control_reader {
public:
  explicit control_reader(byte_view content) noexcept : rest_(content) {}
  [[nodiscard]] std::optional<control_message> next() noexcept;

private:
  byte_view rest_;
};

/// The content of a control record that refuses the client.
inline constexpr std::size_t refusal_size = 4;
[[nodiscard]] std::array<std::uint8_t, refusal_size> encode_refusal(refusal_reason r) noexcept;
/// The first refusal in a control record that this version knows the reason of.
[[nodiscard]] std::optional<refusal_reason> find_refusal(byte_view content) noexcept;

} // namespace tonel::protocol::sealed
