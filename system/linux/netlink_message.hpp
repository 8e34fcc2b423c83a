#pragma once

#include "protocol/address.hpp"
#include "protocol/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

struct nlattr;
struct nlmsghdr;

namespace tonel::sys {

/// A request of netlink under construction.
/// Shape:  nlmsghdr, a fixed part, attributes; 512 octets at most
/// Source: man 7 netlink; libmnl, which lays it out
class netlink_request {
public:
  netlink_request(std::uint16_t type, std::uint16_t flags, const void* fixed, std::size_t size);
  netlink_request(const netlink_request&) = delete;
  netlink_request& operator=(const netlink_request&) = delete;

  void attribute(std::uint16_t type, const void* data, std::size_t size);
  template <class Number> void number(std::uint16_t type, Number n) {
    attribute(type, &n, sizeof n);
  }
  void text(std::uint16_t type, const std::string& value);
  void address(std::uint16_t type, const protocol::ip_address& a);
  /// The attributes that follow, up to close(), lie in one of `type`.
  nlattr* open(std::uint16_t type);
  void close(nlattr* nest) noexcept;

  protocol::byte_view finish(std::uint32_t sequence) noexcept;

private:
  alignas(8) std::array<std::uint8_t, 512> bytes_{};
  nlmsghdr* header_;
};

/// One attribute of a message.
/// Owns: nothing; valid while the message is
class netlink_attribute {
public:
  explicit netlink_attribute(const nlattr& at) noexcept : at_(at) {}
  std::uint16_t type() const noexcept;
  std::size_t size() const noexcept;
  const std::uint8_t* data() const noexcept;
  /// 0 where it has fewer octets than that; in the host's order.
  std::uint32_t number() const noexcept;
  std::uint8_t octet() const noexcept;
  /// None: it is not as long as one.
  protocol::ip_address address() const noexcept;
  /// Up to a zero octet, which netlink puts at the end.
  std::string_view text() const noexcept;

private:
  const nlattr& at_;
};

using attribute_visitor = std::function<void(const netlink_attribute&)>;

/// Visits the attributes of a message whose fixed part has `fixed` octets.
void each_attribute(const nlmsghdr& message, std::size_t fixed, const attribute_visitor& visit);
/// Visits those that lie one after the other in these octets, which are aligned to 4.
void each_attribute(protocol::byte_view octets, const attribute_visitor& visit);

/// The fixed part of a message. False: it is shorter.
bool read_fixed_part(const nlmsghdr& message, void* into, std::size_t size) noexcept;
template <class Fixed> bool read_fixed(const nlmsghdr& message, Fixed& into) noexcept {
  return read_fixed_part(message, &into, sizeof into);
}

/// Visits the messages that one read gave, until `visit` says no. False: they are not well-formed.
/// Shape: bytes aligned as nlmsghdr
bool each_message(protocol::byte_view bytes, const std::function<bool(const nlmsghdr&)>& visit);

} // namespace tonel::sys
