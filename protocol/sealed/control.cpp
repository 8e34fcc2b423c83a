#include "protocol/sealed/control.hpp"

namespace tonel::protocol::sealed {

namespace {

constexpr std::size_t header_size = 3;

} // namespace

const char* to_string(refusal_reason r) noexcept {
  switch (r) {
  case refusal_reason::key_withdrawn: return "the server has withdrawn the key";
  case refusal_reason::server_full: return "the server is full";
  }
  return "unknown";
}

std::optional<control_message> control_reader::next() noexcept {
  if (rest_.size() < header_size) return std::nullopt;
  const std::size_t length = load_be16(rest_, 1);
  if (length > rest_.size() - header_size) {
    rest_ = {};
    return std::nullopt;
  }
  const control_message out{rest_[0], rest_.subview(header_size, length)};
  rest_ = rest_.subview(header_size + length);
  return out;
}

std::array<std::uint8_t, refusal_size> encode_refusal(refusal_reason r) noexcept {
  return {static_cast<std::uint8_t>(control_kind::refusal), 0, 1, static_cast<std::uint8_t>(r)};
}

std::optional<refusal_reason> find_refusal(byte_view content) noexcept {
  control_reader messages{content};
  while (const auto message = messages.next()) {
    // Octets behind the reason are a later version's.
    if (message->kind != static_cast<std::uint8_t>(control_kind::refusal) || message->body.empty())
      continue;
    switch (const auto reason = refusal_reason{message->body[0]}) {
    case refusal_reason::key_withdrawn:
    case refusal_reason::server_full: return reason;
    }
  }
  return std::nullopt;
}

} // namespace tonel::protocol::sealed
