#include "protocol/address.hpp"

#include "protocol/bytes.hpp"
#include "protocol/siphash.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

constexpr std::size_t groups_of_v6 = 8;
using groups = std::array<std::uint16_t, groups_of_v6>;

/// Parses a decimal number without sign, blanks or leading zeros ("010" is octal to some programs,
/// so it is refused).
std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t most) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0')) return {};
  std::uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return {};
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  if (value > most) return {};
  return value;
}

std::optional<std::array<std::uint8_t, 4>> parse_v4(std::string_view text) {
  std::array<std::uint8_t, 4> out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto dot = text.find('.');
    if ((dot == std::string_view::npos) != (i + 1 == out.size())) return {};
    const auto octet = parse_decimal(text.substr(0, dot), 255);
    if (!octet) return {};
    out[i] = static_cast<std::uint8_t>(*octet);
    text = dot == std::string_view::npos ? std::string_view{} : text.substr(dot + 1);
  }
  return out;
}

std::optional<std::uint16_t> parse_group(std::string_view text) {
  if (text.empty() || text.size() > 4) return {};
  unsigned value = 0;
  for (const char c : text) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A') + 10;
    } else {
      return {};
    }
    value = value * 16 + digit;
  }
  return static_cast<std::uint16_t>(value);
}

/// The groups on one side of a "::", or of the whole text without one.
struct group_list {
  groups values{};
  std::size_t count = 0;
};

/// Parses "a:b:c"; with `tail` the last part may be a dotted IPv4 address.
std::optional<group_list> parse_groups(std::string_view text, bool tail) {
  group_list out;
  if (text.empty()) return out;
  while (true) {
    const auto colon = text.find(':');
    const auto part = text.substr(0, colon);
    if (tail && colon == std::string_view::npos && part.find('.') != std::string_view::npos) {
      const auto four = parse_v4(part);
      if (!four || out.count + 2 > groups_of_v6) return {};
      const auto& f = *four;
      out.values[out.count++] = static_cast<std::uint16_t>((f[0] << 8) | f[1]);
      out.values[out.count++] = static_cast<std::uint16_t>((f[2] << 8) | f[3]);
      return out;
    }
    const auto value = parse_group(part);
    if (!value || out.count == groups_of_v6) return {};
    out.values[out.count++] = *value;
    if (colon == std::string_view::npos) return out;
    text.remove_prefix(colon + 1);
  }
}

/// Source: RFC 4291 §2.2
std::optional<groups> parse_v6(std::string_view text) {
  const auto gap = text.find("::");
  if (gap == std::string_view::npos) {
    const auto all = parse_groups(text, true);
    if (!all || all->count != groups_of_v6) return {};
    return all->values;
  }
  const auto head = parse_groups(text.substr(0, gap), false);
  const auto tail = parse_groups(text.substr(gap + 2), true);
  // A "::" stands for at least one group. A second one leaves an empty group, which is no number.
  if (!head || !tail || head->count + tail->count >= groups_of_v6) return {};
  groups out{};
  std::copy_n(head->values.begin(), head->count, out.begin());
  std::copy_n(tail->values.begin(), tail->count,
              out.end() - static_cast<std::ptrdiff_t>(tail->count));
  return out;
}

std::string dotted(const std::uint8_t* four) {
  std::string out;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) out += '.';
    out += std::to_string(four[i]);
  }
  return out;
}

void append_hex(std::string& out, unsigned group) {
  static constexpr char digits[] = "0123456789abcdef";
  bool started = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const auto digit = (group >> shift) & 0xf;
    started = started || digit != 0 || shift == 0;
    if (started) out += digits[digit];
  }
}

/// Lower case, no leading zeros, the longest (then first) run of two or more zero groups as "::",
/// and the IPv4 part of a v4-mapped address dotted.
/// Source: RFC 5952 §4 and §5
std::string colon_form(const std::uint8_t* sixteen) {
  groups g{};
  for (std::size_t i = 0; i < g.size(); ++i) {
    g[i] = static_cast<std::uint16_t>((sixteen[2 * i] << 8) | sixteen[2 * i + 1]);
  }
  const bool mapped =
      std::all_of(g.begin(), g.begin() + 5, [](auto v) { return v == 0; }) && g[5] == 0xffff;
  if (mapped) return "::ffff:" + dotted(sixteen + 12);

  std::size_t gap = g.size();
  std::size_t gap_length = 1;
  for (std::size_t i = 0; i < g.size();) {
    std::size_t end = i;
    while (end < g.size() && g[end] == 0)
      ++end;
    if (end - i > gap_length) {
      gap = i;
      gap_length = end - i;
    }
    i = end == i ? i + 1 : end;
  }
  std::string out;
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (i == gap) {
      out += "::";
      i += gap_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    append_hex(out, g[i]);
  }
  return out;
}

/// SipHash-1-3 over words. The length need not be hashed, since each address starts with a word for
/// its family.
class word_hash {
public:
  explicit word_hash(std::uint64_t seed) noexcept : words_(seed, spread(seed)) {}

  void add(const ip_address& a, std::uint64_t extra) noexcept {
    const auto* p = a.data();
    if (a.is_v6()) {
      words_.take((extra << 8) | 6);
      words_.take(load(p, 8));
      words_.take(load(p + 8, 8));
    } else {
      words_.take((load(p, 4) << 32) | (extra << 8) | (a.is_v4() ? 4u : 0u));
    }
  }
  std::size_t finish() noexcept { return static_cast<std::size_t>(words_.finish()); }

private:
  static std::uint64_t load(const std::uint8_t* p, int octets) noexcept {
    std::uint64_t word = 0;
    for (int i = 0; i < octets; ++i)
      word = (word << 8) | p[i];
    return word;
  }
  /// Makes the second half of the key from the first, by the finaliser of splitmix64.
  static std::uint64_t spread(std::uint64_t z) noexcept {
    z += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  sip_words<1, 3> words_;
};

} // namespace

ip_address ip_address::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept {
  const std::uint8_t four[] = {a, b, c, d};
  return v4(four);
}

ip_address ip_address::v4(const std::uint8_t* four) noexcept {
  ip_address out;
  std::copy_n(four, 4, out.octets_.begin());
  out.family_ = family::v4;
  return out;
}

ip_address ip_address::v6(const std::uint8_t* sixteen) noexcept {
  ip_address out;
  std::copy_n(sixteen, 16, out.octets_.begin());
  out.family_ = family::v6;
  return out;
}

std::optional<ip_address> ip_address::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) {
    const auto four = parse_v4(text);
    if (!four) return {};
    return v4(four->data());
  }
  const auto g = parse_v6(text);
  if (!g) return {};
  std::array<std::uint8_t, 16> octets{};
  for (std::size_t i = 0; i < g->size(); ++i) {
    octets[2 * i] = static_cast<std::uint8_t>((*g)[i] >> 8);
    octets[2 * i + 1] = static_cast<std::uint8_t>((*g)[i] & 0xff);
  }
  return v6(octets.data());
}

bool ip_address::is_wildcard() const noexcept {
  return family_ != family::none &&
         std::all_of(octets_.begin(), octets_.end(), [](auto o) { return o == 0; });
}

ip_address ip_address::network(unsigned bits) const noexcept {
  auto out = *this;
  for (std::size_t i = 0; i < size(); ++i) {
    const auto kept = std::min(bits, 8u);
    out.octets_[i] &= static_cast<std::uint8_t>(0xff00u >> kept);
    bits -= kept;
  }
  return out;
}

bool address_less::operator()(const ip_address& a, const ip_address& b) const noexcept {
  // The family decides first: an IPv6 address may have the same octets as an IPv4 address.
  if (a.is_v4() != b.is_v4()) return a.is_v4();
  return std::lexicographical_compare(a.data(), a.data() + a.size(), b.data(), b.data() + b.size());
}

bool ip_address::is_loopback() const noexcept {
  if (is_v4()) return octets_[0] == 127;
  if (!is_v6()) return false;
  static constexpr std::array<std::uint8_t, 16> one{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (octets_ == one) return true;
  // ::ffff:127.0.0.0/104: the kernel treats these as the IPv4 addresses that they hold.
  static constexpr std::array<std::uint8_t, 13> mapped{0, 0, 0, 0,    0,    0,  0,
                                                       0, 0, 0, 0xff, 0xff, 127};
  return std::equal(mapped.begin(), mapped.end(), octets_.begin());
}

std::string ip_address::to_string() const {
  if (is_v4()) return dotted(octets_.data());
  if (is_v6()) return colon_form(octets_.data());
  return "none";
}

std::string endpoint::to_string() const {
  const auto host = address.to_string();
  return (address.is_v6() ? "[" + host + "]:" : host + ":") + std::to_string(port);
}

std::optional<endpoint> endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  auto host = text.substr(0, colon);
  // IPv6 needs brackets, since the port could be the last group; IPv4 must not have them.
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = ip_address::parse(host);
  if (!port || !address || address->is_v6() != bracketed) return {};
  return endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::array<std::uint8_t, 36> octets_of(const four_tuple& t) noexcept {
  std::array<std::uint8_t, 36> out{};
  std::size_t at = 0;
  for (const auto* end : {&t.local, &t.remote}) {
    std::copy_n(end->address.data(), end->address.size(), out.begin() + at);
    store_be16(out, at + 16, end->port);
    at += 18;
  }
  return out;
}

std::size_t address_hash::operator()(const ip_address& a) const noexcept {
  word_hash h{seed};
  h.add(a, 0);
  return h.finish();
}

std::size_t address_hash::operator()(const endpoint& e) const noexcept {
  word_hash h{seed};
  h.add(e.address, e.port);
  return h.finish();
}

std::size_t address_hash::operator()(const four_tuple& t) const noexcept {
  word_hash h{seed};
  h.add(t.local.address, t.local.port);
  h.add(t.remote.address, t.remote.port);
  return h.finish();
}

} // namespace tonel::protocol
