#pragma once

#include "protocol/address.hpp"

#include <string>

namespace tonel::sys {

/// Addresses that begin alike.
struct ip_net {
  protocol::ip_address address; ///< any of them
  unsigned bits = 0;            ///< that are alike

  bool holds(const protocol::ip_address& a) const noexcept {
    return a.size() == address.size() && a.network(bits) == address.network(bits);
  }
  /// "192.0.2.0/24"
  std::string to_string() const {
    return address.network(bits).to_string() + '/' + std::to_string(bits);
  }
};

} // namespace tonel::sys
