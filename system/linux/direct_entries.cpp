#include "system/linux/direct_entries.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace tonel::sys {

namespace {

constexpr unsigned mapped_bits = 96; // of ::ffff:0:0/96

} // namespace

direct_address to_direct(const protocol::ip_address& a) noexcept {
  direct_address out{};
  if (a.is_v4()) {
    out.words[2] = htonl(0xffff);
    std::memcpy(&out.words[3], a.data(), 4);
  } else {
    std::memcpy(out.words, a.data(), sizeof out.words);
  }
  return out;
}

direct_connection to_direct(const protocol::four_tuple& t) noexcept {
  direct_connection out{};
  out.local = to_direct(t.local.address);
  out.remote = to_direct(t.remote.address);
  out.local_port = htons(t.local.port);
  out.remote_port = htons(t.remote.port);
  return out;
}

std::uint32_t direct_entries::number_of(const std::vector<ip_net>& allowed) {
  if (allowed.empty()) return 0;
  std::vector<std::string> nets;
  nets.reserve(allowed.size());
  for (const auto& net : allowed) {
    direct_source key{};
    key.bits = direct_list_bits + net.bits + (net.address.is_v4() ? mapped_bits : 0);
    key.address = to_direct(net.address.network(net.bits));
    nets.push_back(key_octets(key));
  }
  std::sort(nets.begin(), nets.end());
  std::string content;
  for (const auto& net : nets)
    content += net;
  const auto known = lists_.find(content);
  const auto number = known != lists_.end() ? known->second : ++last_;
  lists_[content] = wanted_lists_[content] = number;
  for (auto& net : nets) {
    std::memcpy(net.data() + offsetof(direct_source, list), &number, sizeof number);
    sources_[net] = 1;
  }
  return number;
}

void direct_entries::plan(const std::vector<direct_port>& ports,
                          const std::vector<protocol::ip_address>& locals) {
  services_.clear();
  sources_.clear();
  wanted_lists_.clear();
  // Those with an address of their own last: they count more than any.
  for (const bool own : {false, true}) {
    for (const auto& port : ports) {
      if (bool{port.address} != own) continue;
      const direct_terms terms{number_of(port.allow)};
      const auto add = [&](const protocol::ip_address& at) {
        direct_service key{};
        key.address = to_direct(at);
        key.port = htons(port.port);
        services_[key_octets(key)] = terms;
      };
      if (own)
        add(port.address);
      else
        std::for_each(locals.begin(), locals.end(), add);
    }
  }
  lists_ = wanted_lists_;
}

} // namespace tonel::sys
