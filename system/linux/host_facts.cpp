#include "system/host_facts.hpp"

#include "system/command.hpp"
#include "system/instance_state.hpp"
#include "system/kernel.hpp"
#include "system/linux/netlink.hpp"
#include "system/nft_context.hpp"
#include "system/posix/interfaces.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace tonel::sys {

namespace {

descriptor owned(int fd) { return {real_kernel(), fd}; }

template <class Number = int> std::optional<Number> sysctl(const std::string& name) {
  const auto text = read_sysctl(name);
  Number value{};
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{})
    return {};
  return value;
}

bool has_net_admin() {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("CapEff:", 0) != 0) continue;
    return (std::stoull(line.substr(7), nullptr, 16) >> CAP_NET_ADMIN & 1) != 0;
  }
  return false;
}

/// Source: man 7 capabilities, "File capability extended attribute versioning"; little-endian
bool file_has_net_admin(const std::string& path) {
  vfs_cap_data data{};
  char octets[64];
  const auto size = ::getxattr(path.c_str(), "security.capability", octets, sizeof octets);
  if (size < static_cast<ssize_t>(sizeof data)) return false;
  std::memcpy(&data, octets, sizeof data);
  const bool effective = (data.magic_etc & VFS_CAP_FLAGS_EFFECTIVE) != 0;
  return effective && (data.data[0].permitted >> CAP_NET_ADMIN & 1) != 0;
}

/// The numbers of interfaces with an IPv4 default route.
std::vector<std::uint32_t> default_interfaces() {
  std::vector<std::uint32_t> out;
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return out;
  const auto routes = netlink->default_routes(false);
  if (!routes) return out;
  for (const auto& route : *routes)
    for (const auto& hop : route.hops)
      out.push_back(hop.index);
  return out;
}

/// Asks for one of the old ethtool flags; none: the device does not know it.
std::optional<bool> flag_of(int socket, const std::string& name, std::uint32_t command) {
  ethtool_value value{};
  value.cmd = command;
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (::ioctl(socket, SIOCETHTOOL, &request) != 0) return {};
  return value.data != 0;
}

interface_facts look_at(int socket, const std::string& name, unsigned flags) {
  interface_facts out;
  out.name = name;
  out.up = (flags & IFF_UP) != 0;
  out.loopback = (flags & IFF_LOOPBACK) != 0;
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), sizeof request.ifr_name - 1);
  if (::ioctl(socket, SIOCGIFMTU, &request) == 0)
    out.mtu = static_cast<std::uint32_t>(request.ifr_mtu);
  std::ifstream kind{"/sys/class/net/" + name + "/uevent"};
  for (std::string line; std::getline(kind, line);)
    if (line == "DEVTYPE=wireguard") out.wireguard = true;
  std::error_code unreadable; // where it runs in user space, it is a TUN device with a socket
  if (std::filesystem::exists("/var/run/wireguard/" + name + ".sock", unreadable))
    out.wireguard = true;
  auto entry = name; // in names of sysctls the dots of an interface are slashes
  std::replace(entry.begin(), entry.end(), '.', '/');
  out.rp_filter = std::max(sysctl("net.ipv4.conf.all.rp_filter").value_or(0),
                           sysctl("net.ipv4.conf." + entry + ".rp_filter").value_or(0));
  out.forwarding = sysctl("net.ipv4.conf." + entry + ".forwarding");
  const std::pair<const char*, std::uint32_t> offloads[] = {
      {"tx", ETHTOOL_GTXCSUM}, {"tso", ETHTOOL_GTSO}, {"gso", ETHTOOL_GGSO}, {"gro", ETHTOOL_GGRO}};
  for (const auto& [text, command] : offloads)
    if (const auto on = flag_of(socket, name, command); on && !*on) out.off.emplace_back(text);
  return out;
}

std::vector<interface_facts> interfaces() {
  std::vector<interface_facts> out;
  const auto socket = owned(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return out;
  const auto defaults = default_interfaces();
  for (const auto& [name, flags] : interface_flags()) {
    out.push_back(look_at(socket.get(), name, flags));
    out.back().default_route = std::find(defaults.begin(), defaults.end(),
                                         ::if_nametoindex(name.c_str())) != defaults.end();
  }
  return out;
}

/// Finds the path of a packet (route, source, path MTU) without sending one.
void look_at_way(const protocol::endpoint& to, std::uint32_t mark, host_facts& out) {
  const auto socket = connected_to(to, mark);
  if (!socket) return;
  out.uplink = uplink_of(socket);
  int mtu = 0;
  socklen_t size = sizeof mtu;
  const bool v6 = to.address.is_v6();
  const int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  if (::getsockopt(socket.get(), level, v6 ? IPV6_MTU : IP_MTU, &mtu, &size) == 0 && mtu > 0)
    out.path_mtu = static_cast<std::uint32_t>(mtu);
}

/// Reads the whole ruleset of nftables as JSON, or the reason why it cannot be read.
void read_ruleset(host_facts& out) {
  auto nft = nft_context::open(nft_context::output::json);
  auto ruleset = nft ? nft->run("list ruleset") : unexpected{nft.error()};
  if (ruleset)
    out.ruleset = std::move(*ruleset);
  else
    out.ruleset_error = ruleset.error().to_string();
}

} // namespace

host_facts gather_host_facts(const host_question& question) {
  host_facts out;
  const auto tun = owned(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  out.tun_error = tun ? 0 : errno;
  out.net_admin = has_net_admin();
  for (const auto& path : question.programs)
    out.programs.emplace_back(path, file_has_net_admin(path));
  out.forward4 = sysctl("net.ipv4.ip_forward");
  out.forward6 = sysctl("net.ipv6.conf.all.forwarding");
  out.interfaces = interfaces();
  // An address that no network has (RFC 5737): packets to it take the default route.
  const auto anywhere = protocol::endpoint{protocol::ip_address::v4(192, 0, 2, 1), 9};
  look_at_way(question.remote.value_or(anywhere), question.mark, out);
  if (!question.remote) out.path_mtu.reset();
  auto entry = out.uplink; // a name's dots are slashes there
  std::replace(entry.begin(), entry.end(), '.', '/');
  out.forwards6_by_device = sysctl("net.ipv6.conf." + entry + ".force_forwarding").value_or(0) == 1;
  read_ruleset(out);
  out.legacy_iptables = std::ifstream{"/proc/net/ip_tables_names"}.peek() != EOF ||
                        std::ifstream{"/proc/net/ip6_tables_names"}.peek() != EOF;
  out.has_iptables = !find_program("iptables").empty();
  out.conntrack_count = sysctl<std::uint64_t>("net.netfilter.nf_conntrack_count");
  out.conntrack_max = sysctl<std::uint64_t>("net.netfilter.nf_conntrack_max");
  out.conntrack_liberal = sysctl("net.netfilter.nf_conntrack_tcp_be_liberal");
  if (question.tcp_port != 0) out.listeners = tcp_listeners({question.tcp_port});
  return out;
}

} // namespace tonel::sys
