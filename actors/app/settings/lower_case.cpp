#include "actors/app/settings/lower_case.hpp"

#include <locale.h>
#if __has_include(<xlocale.h>)
#include <xlocale.h> // macOS declares newlocale and towlower_l here
#endif

#include <clocale>
#include <cstdint>
#include <cwctype>
#include <memory>
#include <type_traits>

namespace tonel::actors::app {

namespace {

constexpr char32_t dotted_capital_i = 0x130;
constexpr char32_t capital_sigma = 0x3a3;

/// Removes the first character from the text; none: no UTF-8.
std::optional<char32_t> take_character(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || text.size() < size) return {};
  char32_t c = size == 1 ? first : first & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    c = (c << 6) | (next & 0x3fu);
  }
  // Longer than needed, a surrogate, or beyond Unicode (RFC 3629 §3).
  const bool too_long = (size == 3 && c < 0x800) || (size == 4 && c < 0x10000);
  if (too_long || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) return {};
  text.remove_prefix(size);
  return c;
}

void append_character(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  const auto mark = static_cast<std::uint8_t>(0xff00u >> (more + 1));
  out += static_cast<char>(mark | (c >> (6 * more)));
  for (int i = more - 1; i >= 0; --i)
    out += static_cast<char>(0x80u | ((c >> (6 * i)) & 0x3fu));
}

} // namespace

std::optional<std::string> lower_case_utf8(std::string_view text) {
  struct release {
    void operator()(locale_t l) const { freelocale(l); }
  };
  std::unique_ptr<std::remove_pointer_t<locale_t>, release> utf8;
  std::string out;
  while (!text.empty()) {
    const auto c = take_character(text);
    if (!c || *c == capital_sigma) return {};
    if (*c < 0x80) {
      out += static_cast<char>(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
      continue;
    }
    if (*c == dotted_capital_i) { // the only letter whose small form has two characters
      out += "i\xcc\x87";
      continue;
    }
    if (!utf8) utf8.reset(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr));
    if (!utf8) utf8.reset(newlocale(LC_CTYPE_MASK, "UTF-8", nullptr)); // its name on macOS
    if (!utf8) return {};
    append_character(out, static_cast<char32_t>(towlower_l(static_cast<wint_t>(*c), utf8.get())));
  }
  return out;
}

} // namespace tonel::actors::app
