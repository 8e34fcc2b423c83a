#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tonel::protocol {

/// An IPv4 or IPv6 address, or unspecified (false).
/// Shape: IPv4 in the first 4 octets, the rest zero; network byte order
class ip_address {
public:
  enum class family : std::uint8_t { none, v4, v6 };

  constexpr ip_address() noexcept = default;
  static ip_address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept;
  /// From 4 octets in network byte order.
  static ip_address v4(const std::uint8_t* four) noexcept;
  /// From 16 octets in network byte order.
  static ip_address v6(const std::uint8_t* sixteen) noexcept;
  /// From a literal address ("192.0.2.1", "2001:db8::1"); none for anything else, such as a name.
  static std::optional<ip_address> parse(std::string_view text);

  bool is_v4() const noexcept { return family_ == family::v4; }
  bool is_v6() const noexcept { return family_ == family::v6; }
  explicit operator bool() const noexcept { return family_ != family::none; }
  /// 0.0.0.0 or ::
  bool is_wildcard() const noexcept;
  /// 127.0.0.0/8, mapped into IPv6 or not, or ::1
  bool is_loopback() const noexcept;
  /// The octets, size() of them; they live as long as this object.
  const std::uint8_t* data() const noexcept { return octets_.data(); }
  std::size_t size() const noexcept { return is_v4() ? 4u : is_v6() ? 16u : 0u; }
  /// The literal address (IPv6: in the form of RFC 5952); "none" if unspecified.
  std::string to_string() const;
  /// The address of its network: all but the first `bits` are zero.
  ip_address network(unsigned bits) const noexcept;

  friend bool operator==(const ip_address& a, const ip_address& b) noexcept {
    return a.family_ == b.family_ && a.octets_ == b.octets_;
  }
  friend bool operator!=(const ip_address& a, const ip_address& b) noexcept { return !(a == b); }

private:
  std::array<std::uint8_t, 16> octets_{};
  family family_ = family::none;
};

/// An order for maps, which need no secret seed against chosen addresses as hash tables do.
struct address_less {
  bool operator()(const ip_address& a, const ip_address& b) const noexcept;
};

/// An address and a port (host byte order).
struct endpoint {
  ip_address address;
  std::uint16_t port = 0;

  /// "192.0.2.1:80" or "[2001:db8::1]:80"
  std::string to_string() const;
  /// From the same forms; none if the address is no literal or the port is not 0..65535.
  static std::optional<endpoint> parse(std::string_view text);

  friend bool operator==(const endpoint& a, const endpoint& b) noexcept {
    return a.port == b.port && a.address == b.address;
  }
  friend bool operator!=(const endpoint& a, const endpoint& b) noexcept { return !(a == b); }
};

/// The addresses of a TCP connection; `local` is the program's side of the TUN.
struct four_tuple {
  endpoint local;
  endpoint remote;

  friend bool operator==(const four_tuple& a, const four_tuple& b) noexcept {
    return a.local == b.local && a.remote == b.remote;
  }
  friend bool operator!=(const four_tuple& a, const four_tuple& b) noexcept { return !(a == b); }
};

/// The input for keyed hashes: for each end its address in 16 octets, then its port.
[[nodiscard]] std::array<std::uint8_t, 36> octets_of(const four_tuple& t) noexcept;

/// Hashes addresses for hash tables whose keys an outsider can choose: keyed by `seed`, which is
/// random and drawn once per process, so that nobody can aim at one bucket.
/// Source: SipHash-1-3
struct address_hash {
  std::uint64_t seed = 0;
  std::size_t operator()(const ip_address& a) const noexcept;
  std::size_t operator()(const endpoint& e) const noexcept;
  std::size_t operator()(const four_tuple& t) const noexcept;
};

} // namespace tonel::protocol
