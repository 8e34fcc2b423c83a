#pragma once

#include "protocol/address.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace tonel::sys {

/// Sets up one network interface by ioctl.
/// Errors: EPERM: only root may; ENXIO: there is no such interface
class interface_control {
public:
  static result<interface_control> open(kernel& k, std::string name);

  result<void> set_mtu(std::uint32_t mtu);
  result<void> set_up();
  /// A point-to-point address, whose other end gets a route by itself.
  result<void> add_address4(const protocol::ip_address& local, const protocol::ip_address& peer);
  /// Without duplicate address detection: nobody else is on a utun.
  result<void> add_address6(const protocol::ip_address& local, unsigned prefix);
  void remove_address(const protocol::ip_address& local) noexcept;

private:
  interface_control(kernel& k, std::string name, descriptor v4) noexcept
      : kernel_(&k), name_(std::move(name)), v4_(std::move(v4)) {}
  template <class Request>
  result<void> call(int fd, unsigned long number, Request& r, const char* operation);
  result<descriptor> v6_socket();

  kernel* kernel_;
  std::string name_;
  descriptor v4_;
};

} // namespace tonel::sys
