#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tonel::protocol {

/// An IPv4 or IPv6 address, or none.
/// Shape: IPv4 in the first 4 octets, the rest zero; network byte order
class ip_address {
public:
  enum class family : std::uint8_t { none, v4, v6 };

  constexpr ip_address() noexcept = default;
  static ip_address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept;
  static ip_address v4(const std::uint8_t* four) noexcept;
  static ip_address v6(const std::uint8_t* sixteen) noexcept;
  /// A literal address ("192.0.2.1", "2001:db8::1"); nothing for anything else, names included.
  static std::optional<ip_address> parse(std::string_view text);

  bool is_v4() const noexcept { return family_ == family::v4; }
  bool is_v6() const noexcept { return family_ == family::v6; }
  explicit operator bool() const noexcept { return family_ != family::none; }
  /// 0.0.0.0 or ::
  bool is_wildcard() const noexcept;
  bool is_loopback() const noexcept;
  const std::uint8_t* data() const noexcept { return octets_.data(); }
  std::size_t size() const noexcept { return is_v4() ? 4u : is_v6() ? 16u : 0u; }
  std::string to_string() const;
  /// The network that it is in: all but the first `bits` are zero.
  ip_address network(unsigned bits) const noexcept;

  friend bool operator==(const ip_address& a, const ip_address& b) noexcept {
    return a.family_ == b.family_ && a.octets_ == b.octets_;
  }
  friend bool operator!=(const ip_address& a, const ip_address& b) noexcept { return !(a == b); }

private:
  std::array<std::uint8_t, 16> octets_{};
  family family_ = family::none;
};

/// An order for maps: whoever chooses the addresses gains nothing, and no hash needs a seed.
struct address_less {
  bool operator()(const ip_address& a, const ip_address& b) const noexcept;
};

/// An address and a port (host byte order).
struct endpoint {
  ip_address address;
  std::uint16_t port = 0;

  /// "192.0.2.1:80" or "[2001:db8::1]:80"
  std::string to_string() const;
  /// The same forms; nothing where the address is no literal or the port is not 0..65535.
  static std::optional<endpoint> parse(std::string_view text);

  friend bool operator==(const endpoint& a, const endpoint& b) noexcept {
    return a.port == b.port && a.address == b.address;
  }
  friend bool operator!=(const endpoint& a, const endpoint& b) noexcept { return !(a == b); }
};

/// A TCP connection as this host sees it: local is our side of the TUN.
struct four_tuple {
  endpoint local;
  endpoint remote;

  friend bool operator==(const four_tuple& a, const four_tuple& b) noexcept {
    return a.local == b.local && a.remote == b.remote;
  }
  friend bool operator!=(const four_tuple& a, const four_tuple& b) noexcept { return !(a == b); }
};

/// For keyed hashes: each end's address in 16 octets, then its port.
[[nodiscard]] std::array<std::uint8_t, 36> octets_of(const four_tuple& t) noexcept;

/// Hashes for hash tables whose keys an outsider can choose: keyed once per process by `seed`
/// (an argument, since randomness is one), so that nobody can aim at one bucket.
struct address_hash {
  std::uint64_t seed = 0;
  std::size_t operator()(const ip_address& a) const noexcept;
  std::size_t operator()(const endpoint& e) const noexcept;
  std::size_t operator()(const four_tuple& t) const noexcept;
};

} // namespace tonel::protocol
