#pragma once

#include "protocol/address.hpp"
#include "system/bpf/direct_maps.h"
#include "system/direct_path.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tonel::sys {

direct_address to_direct(const protocol::ip_address& a) noexcept;
direct_connection to_direct(const protocol::four_tuple& t) noexcept;

/// What a server takes, as the programs' maps have it. Lists of sources get numbers, and keep them as
/// long as they are wanted, so that no packet finds half of one.
class direct_entries {
public:
  using service_map = std::map<std::string, direct_terms>; ///< by the octets of a direct_service
  using source_set = std::map<std::string, std::uint32_t>; ///< octets of a direct_source; all 1

  /// locals: the addresses of the host
  void plan(const std::vector<direct_port>& ports, const std::vector<protocol::ip_address>& locals);
  const service_map& services() const noexcept { return services_; }
  const source_set& sources() const noexcept { return sources_; }

private:
  std::uint32_t number_of(const std::vector<ip_net>& allowed);

  service_map services_;
  source_set sources_;
  std::map<std::string, std::uint32_t> lists_, wanted_lists_; // numbers, by content
  std::uint32_t last_ = 0;
};

/// The octets of a map's key.
template <class Key> std::string key_octets(const Key& key) {
  return {reinterpret_cast<const char*>(&key), sizeof key};
}

} // namespace tonel::sys
