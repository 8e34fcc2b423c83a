#include "actors/shard/tunnel_config.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace tonel::actors {

namespace {

template <class T> bool same_value(const T& a, const T& b) { return a == b; }
template <class T> bool same_value(const std::shared_ptr<T>& a, const std::shared_ptr<T>& b) {
  return a == b || (a && b && *a == *b);
}
bool same_value(const host_port& a, const host_port& b) {
  return a.host == b.host && a.port == b.port;
}

/// Compares two tunnels by the member of one row.
struct comparison {
  const tunnel_config& a;
  const tunnel_config& b;
  bool operator()(local_members) const {
    return a.local_udp == b.local_udp && a.local_port == b.local_port;
  }
  bool operator()(accept_members) const {
    return a.accept_native == b.accept_native && a.accept_legacy == b.accept_legacy;
  }
  template <class T> bool operator()(T tunnel_config::*member) const {
    return same_value(a.*member, b.*member);
  }
};

} // namespace

bool same(const tunnel_config& a, const tunnel_config& b) {
  return a.name == b.name &&
         std::all_of(std::begin(tunnel_rows), std::end(tunnel_rows), [&](const tunnel_row& row) {
           return std::visit(comparison{a, b}, row.member);
         });
}

std::string changed_options(const tunnel_config& before, const tunnel_config& after) {
  std::string out;
  bool cipher = false; // has two rows
  for (const auto& row : tunnel_rows) {
    if (std::visit(comparison{before, after}, row.member)) continue;
    using cipher_member = std::shared_ptr<const protocol::xor_cipher> tunnel_config::*;
    if (std::get_if<cipher_member>(&row.member) != nullptr && std::exchange(cipher, true)) continue;
    out += (out.empty() ? "" : ", ") + std::string{row.option.name};
  }
  return out;
}

} // namespace tonel::actors
