#include "system/host_facts.hpp"

#include "system/command.hpp"
#include "system/instance_state.hpp"
#include "system/iptables_save.hpp"
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
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

namespace tonel::sys {

namespace {

using json = nlohmann::json;

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

/// The name in names of sysctls, where its dots are slashes.
std::string entry_of(std::string name) {
  std::replace(name.begin(), name.end(), '.', '/');
  return name;
}

int rp_filter_of(const std::string& name) {
  return std::max(sysctl("net.ipv4.conf.all.rp_filter").value_or(0),
                  sysctl("net.ipv4.conf." + entry_of(name) + ".rp_filter").value_or(0));
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
  out.rp_filter = rp_filter_of(name);
  out.forwarding = sysctl("net.ipv4.conf." + entry_of(name) + ".forwarding");
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

/// The mark that would keep the question's packets off this interface, where a rule says so.
std::optional<std::uint32_t> spared_mark(const host_question& question, const std::string& uplink) {
  if (!question.remote || uplink.empty()) return {};
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return {};
  const auto rules = netlink->policy_rules(question.remote->address.is_v6());
  if (!rules) return {};
  for (const auto& rule : *rules) {
    if (!rule.others || rule.mark == question.mark) continue;
    const auto way = netlink->way_to(question.remote->address, rule.mark);
    if (way && *way && interface_name((*way)->index) != uplink) return rule.mark;
  }
  return {};
}

/// Reads the ruleset of nftables as JSON, or the reason why it cannot be read. Table by table: as JSON,
/// nft 1.0.6 breaks off at a table that is owned, as those of tonel are.
void read_ruleset(host_facts& out) {
  // libnftables would write a line of its own to stderr.
  if (!out.net_admin) {
    out.ruleset_error = "that takes CAP_NET_ADMIN";
    return;
  }
  auto words = nft_context::open(nft_context::output::stateless);
  auto nft = nft_context::open(nft_context::output::json);
  auto tables = words ? words->run("list tables") : unexpected{words.error()};
  if (!nft || !tables) {
    out.ruleset_error = (nft ? tables.error() : nft.error()).to_string();
    return;
  }
  auto whole = json::array();
  std::istringstream lines{*tables};
  for (std::string word, family, table; lines >> word >> family >> table;) {
    if (table.rfind("tonel_", 0) == 0) {
      out.own_tables.push_back(table);
      continue;
    }
    const auto listing =
        nft->run(std::string{"list table "}.append(family).append(" ").append(table));
    const auto parsed = json::parse(listing.value_or(""), nullptr, false);
    if (!parsed.is_object() || !parsed.contains("nftables")) continue; // an owned one of others
    for (const auto& each : parsed["nftables"])
      whole.push_back(each);
  }
  out.ruleset = json{{"nftables", std::move(whole)}}.dump();
}

bool has_lines(const char* path) { return std::ifstream{path}.peek() != EOF; }

/// Asks iptables where nftables has rules of it, and the old one where it has any.
void read_iptables(host_facts& out) {
  out.has_iptables = !find_program("iptables").empty();
  const bool in_nftables = out.ruleset.find("\"xt\"") != std::string::npos;
  for (const bool v6 : {false, true}) {
    const auto name = std::string{v6 ? "ip6tables" : "iptables"};
    if (in_nftables)
      for (const auto* kind : {"-nft-save", "-save"})
        if (const auto saved = run_command({name + kind})) {
          out.iptables.push_back(json_of_iptables(*saved, v6));
          break;
        }
    if (!has_lines(v6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names")) continue;
    if (const auto saved = run_command({name + "-legacy-save"}))
      out.iptables.push_back(json_of_iptables(*saved, v6, "-legacy"));
    else
      out.legacy_iptables = true;
  }
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
  out.forwards6_by_device =
      sysctl("net.ipv6.conf." + entry_of(out.uplink) + ".force_forwarding").value_or(0) == 1;
  out.spared_mark = spared_mark(question, out.uplink);
  out.nets = host_nets(question.tun);
  read_ruleset(out);
  read_iptables(out);
  out.conntrack_count = sysctl<std::uint64_t>("net.netfilter.nf_conntrack_count");
  out.conntrack_max = sysctl<std::uint64_t>("net.netfilter.nf_conntrack_max");
  out.conntrack_liberal = sysctl("net.netfilter.nf_conntrack_tcp_be_liberal");
  if (question.tcp_port != 0) out.listeners = tcp_listeners({question.tcp_port});
  return out;
}

bool drops_marked_answers(const host_question& question) {
  if (!question.remote || question.mark == 0 || question.remote->address.is_v6()) return false;
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return false;
  const auto there = netlink->way_to(question.remote->address, question.mark);
  const auto back = netlink->way_to(question.remote->address, 0);
  if (!there || !*there) return false;
  const bool same = back && *back && (*back)->index == (*there)->index;
  return !same && rp_filter_of(interface_name((*there)->index)) == 1;
}

} // namespace tonel::sys
