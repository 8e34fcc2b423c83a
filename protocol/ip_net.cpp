#include "protocol/ip_net.hpp"

#include <algorithm>
#include <iterator>

namespace tonel::protocol {

namespace {

/// 0 to 128, without leading zeros.
std::optional<unsigned> parse_bits(std::string_view text) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return {};
  unsigned out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return {};
    out = 10 * out + static_cast<unsigned>(c - '0');
  }
  return out;
}

/// The last address of a net.
ip_address last_of(const ip_net& net) noexcept {
  std::array<std::uint8_t, 16> octets{};
  const auto size = net.address.size();
  std::copy_n(net.address.data(), size, octets.begin());
  auto bits = net.bits;
  for (std::size_t i = 0; i < size; ++i) {
    const auto kept = std::min(bits, 8u);
    octets[i] |= static_cast<std::uint8_t>(0xffu >> kept);
    bits -= kept;
  }
  return net.address.is_v6() ? ip_address::v6(octets.data()) : ip_address::v4(octets.data());
}

} // namespace

std::optional<ip_net> ip_net::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = ip_address::parse(text.substr(0, slash));
  if (!address) return {};
  const auto most = static_cast<unsigned>(8 * address->size());
  if (slash == std::string_view::npos) return ip_net{*address, most};
  const auto bits = parse_bits(text.substr(slash + 1));
  if (!bits || *bits > most) return {};
  return ip_net{*address, *bits};
}

std::string ip_net::to_string() const {
  return address.network(bits).to_string() + '/' + std::to_string(bits);
}

std::vector<ip_net> outermost(const std::vector<ip_net>& nets, bool v6) {
  std::vector<ip_net> sorted;
  for (const auto& net : nets)
    if (net.address && net.address.is_v6() == v6)
      sorted.push_back({net.address.network(net.bits), net.bits});
  const auto before = [](const ip_net& a, const ip_net& b) {
    return a.address == b.address ? a.bits < b.bits : address_less{}(a.address, b.address);
  };
  std::sort(sorted.begin(), sorted.end(), before);
  // Nets overlap only where one holds the other, which then begins later.
  std::vector<ip_net> out;
  for (const auto& net : sorted)
    if (out.empty() || !out.back().holds(net.address)) out.push_back(net);
  return out;
}

ip_net_set::key ip_net_set::key_of(const ip_address& a) noexcept {
  key out{};
  out[0] = a.is_v6() ? 6 : a.is_v4() ? 4 : 0;
  std::copy_n(a.data(), a.size(), out.begin() + 1);
  return out;
}

ip_net_set::ip_net_set(const std::vector<ip_net>& nets) {
  for (const bool v6 : {false, true})
    for (const auto& net : outermost(nets, v6))
      ranges_.emplace_back(key_of(net.address), key_of(last_of(net)));
}

bool ip_net_set::holds(const ip_address& a) const noexcept {
  const auto k = key_of(a);
  const auto behind =
      std::upper_bound(ranges_.begin(), ranges_.end(), k,
                       [](const key& wanted, const auto& range) { return wanted < range.first; });
  return behind != ranges_.begin() && k <= std::prev(behind)->second;
}

} // namespace tonel::protocol
