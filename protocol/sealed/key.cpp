#include "protocol/sealed/key.hpp"

#include <algorithm>

namespace tonel::protocol::sealed {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t text_size = 44; // 43 characters for 256 bits, and one '='

/// A character's six bits; negative: none of the alphabet. By arithmetic without a table or a
/// branch, since a look-up would leave in the cache which characters a key has.
constexpr int six_bits(char c) noexcept {
  const int x = static_cast<unsigned char>(c);
  // All ones where low <= x <= high.
  const auto within = [x](int low, int high) { return ((low - 1 - x) & (x - high - 1)) >> 8; };
  return -1 + (within('A', 'Z') & (x - 'A' + 1)) + (within('a', 'z') & (x - 'a' + 27)) +
         (within('0', '9') & (x - '0' + 53)) + (within('+', '+') & 63) + (within('/', '/') & 64);
}

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view without_blanks(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  return text;
}

} // namespace

const char* to_string(key_error e) noexcept {
  switch (e) {
  case key_error::empty: return "it is empty";
  case key_error::several_lines: return "it has more than one line";
  case key_error::wrong_length: return "it is not 44 characters long, as 32 octets in base64 are";
  case key_error::not_base64: return "it is not base64";
  case key_error::all_zeros: return "all of its octets are 0, which is no secret";
  }
  return "unknown";
}

expected<secret, key_error> parse_key(std::string_view text) noexcept {
  text = without_blanks(text);
  if (text.empty()) return unexpected{key_error::empty};
  if (text.find('\n') != std::string_view::npos) return unexpected{key_error::several_lines};
  if (text.size() != text_size) return unexpected{key_error::wrong_length};
  if (text.back() != '=') return unexpected{key_error::not_base64};
  text.remove_suffix(1);

  secret out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  std::size_t at = 0;
  int wrong = 0;
  for (const auto c : text) {
    const int value = six_bits(c);
    wrong |= value;
    bits = (bits << 6) | (static_cast<std::uint32_t>(value) & 0x3f);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.span()[at++] = static_cast<std::uint8_t>(bits >> count);
  }
  // The last character has two bits more than the key: one key has one text.
  if (wrong < 0 || (bits & 3) != 0) return unexpected{key_error::not_base64};
  if (out.value() == secret::octets{}) return unexpected{key_error::all_zeros};
  return out;
}

std::string format_key(const secret& key) {
  std::string out;
  out.reserve(text_size);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const auto octet : key.view()) {
    bits = (bits << 8) | octet;
    for (count += 8; count >= 6;) {
      count -= 6;
      out += alphabet[(bits >> count) & 0x3f];
    }
  }
  out += alphabet[(bits << (6 - count)) & 0x3f];
  out += '=';
  return out;
}

bool is_key_name(std::string_view name) noexcept {
  const auto is_alphanumeric = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 32 && is_alphanumeric(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
         });
}

} // namespace tonel::protocol::sealed
