#pragma once

#include "protocol/address.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <optional>

namespace tonel::sys {

/// Asks the kernel's routing table, and adds to it.
/// Errors: those of the socket; EPERM: only root may add
/// Source: man 4 route
class route_socket {
public:
  static result<route_socket> open(kernel& k);

  /// The interface that a packet to this address leaves by; of no address: the default route's. Nothing
  /// where there is no route.
  result<std::optional<std::uint32_t>> interface_to(const protocol::ip_address& to, bool v6);
  /// One that is there already is no error.
  result<void> add(const protocol::ip_address& to, std::uint32_t interface);

private:
  route_socket(kernel& k, descriptor fd) noexcept : kernel_(&k), fd_(std::move(fd)) {}
  kernel* kernel_;
  descriptor fd_;
  int sequence_ = 0;
};

} // namespace tonel::sys
