#pragma once

#include "protocol/address.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tonel::protocol {

/// Addresses that begin alike.
struct ip_net {
  ip_address address; ///< any of them
  unsigned bits = 0;  ///< that are alike

  /// From "192.0.2.0/24", or an address alone, which is a net of its own; none for anything else.
  static std::optional<ip_net> parse(std::string_view text);
  bool holds(const ip_address& a) const noexcept {
    return a.size() == address.size() && a.network(bits) == address.network(bits);
  }
  /// "192.0.2.0/24"
  std::string to_string() const;

  friend bool operator==(const ip_net& a, const ip_net& b) noexcept {
    return a.bits == b.bits && a.address.network(a.bits) == b.address.network(b.bits);
  }
  friend bool operator!=(const ip_net& a, const ip_net& b) noexcept { return !(a == b); }
};

/// The nets of one family that none of the others holds, in order of their addresses.
std::vector<ip_net> outermost(const std::vector<ip_net>& nets, bool v6);

/// Says of an address whether one of many nets holds it, in a time that hardly grows with them.
/// Shape: never changes; without any net it holds nothing
class ip_net_set {
public:
  ip_net_set() = default;
  explicit ip_net_set(const std::vector<ip_net>& nets);
  bool holds(const ip_address& a) const noexcept;
  bool empty() const noexcept { return ranges_.empty(); }

private:
  /// An address behind its family.
  using key = std::array<std::uint8_t, 17>;
  static key key_of(const ip_address& a) noexcept;

  std::vector<std::pair<key, key>> ranges_; ///< first and last; in order, none within another
};

} // namespace tonel::protocol
