#include "actors/app/host_commands.hpp"

#include "protocol/address.hpp"

namespace tonel::actors::app {

namespace {

using protocol::ip_address;

/// The inet family holds both protocols in one table; its NAT needs Linux 5.2.
std::string table_of(std::string_view tun) { return "inet tonel_" + std::string{tun}; }

std::string quoted(std::string_view name) { return '"' + std::string{name} + '"'; }

/// Collects the statements of one table.
class table_builder {
public:
  explicit table_builder(std::string table) : table_{std::move(table)} {
    // Emptied, not deleted: the chains stay, and with them connection tracking and the translation
    // of the connections that it knows.
    out_ = {"add table " + table_, "flush table " + table_};
  }
  void chain(const char* name, const char* type, const char* priority) {
    out_.push_back("add chain " + table_ + ' ' + name + " { type " + type + " hook " + name +
                   " priority " + priority + "; policy accept; }");
  }
  void rule(const char* chain, const std::string& text) {
    out_.push_back("add rule " + table_ + ' ' + chain + ' ' + text);
  }
  std::vector<std::string> take() { return std::move(out_); }

private:
  std::string table_;
  std::vector<std::string> out_;
};

/// The packets that come from the network to this tunnel.
std::string from_network(role side, const tunnel_config& tunnel) {
  if (side == role::server) return "tcp dport " + std::to_string(tunnel.local_port);
  const auto port = "tcp sport " + std::to_string(tunnel.remote.port);
  // A name may resolve to another address tomorrow; then the port has to do.
  const auto address = ip_address::parse(tunnel.remote.host);
  if (!address) return port;
  return (address->is_v6() ? "ip6 saddr " : "ip saddr ") + address->to_string() + ' ' + port;
}

/// A packet that connection tracking calls invalid is not translated. Coming in it would reach this
/// host's own TCP, whose RST ends the stream; going out it would leave with the TUN's address.
void drop_invalid(table_builder& table, const config& run, std::string_view tun) {
  const std::string drop = " ct state invalid drop";
  const auto from_tun = "iifname " + quoted(tun) + " meta l4proto tcp" + drop;
  const auto to_tun = "oifname " + quoted(tun) + " meta l4proto tcp" + drop;
  const auto outside = [&](const char* chain) {
    for (const auto& tunnel : run.tunnels)
      table.rule(chain, "iifname != " + quoted(tun) + ' ' + from_network(run.side, *tunnel) + drop);
  };
  table.chain("input", "filter", "filter");
  table.rule("input", from_tun);
  outside("input");
  table.chain("forward", "filter", "filter");
  table.rule("forward", from_tun);
  table.rule("forward", to_tun);
  outside("forward");
}

/// While the program is away its address is behind no device, and what peers still send to it would
/// follow the default route out again.
void keep_in(table_builder& table, const tun_config& device, std::string_view tun) {
  const auto elsewhere = " oifname != " + quoted(tun) + " drop";
  table.rule("forward", "ip daddr " + device.peer4.to_string() + elsewhere);
  if (device.ipv6) table.rule("forward", "ip6 daddr " + device.peer6.to_string() + elsewhere);
}

/// Told by the source address: a chain at postrouting knows the incoming device only since
/// Linux 5.7, and nothing but the TUN has this address. Without "random" the port is kept where it
/// is free.
void masquerade(table_builder& table, const tun_config& device, std::string_view tun) {
  const auto rest = " oifname != " + quoted(tun) + " meta l4proto tcp masquerade";
  table.chain("postrouting", "nat", "srcnat");
  table.rule("postrouting", "ip saddr " + device.peer4.to_string() + rest);
  if (device.ipv6) table.rule("postrouting", "ip6 saddr " + device.peer6.to_string() + rest);
}

/// Only what is addressed to this host: a router's clients may have connections of their own to the
/// same port elsewhere.
void redirect(table_builder& table, const tunnel_config& tunnel, const tun_config& device,
              std::string_view tun) {
  const auto port = std::to_string(tunnel.local_port);
  const auto to_us = " iifname != " + quoted(tun) + " fib daddr type local tcp dport " + port;
  table.rule("prerouting",
             "meta nfproto ipv4" + to_us + " dnat ip to " + device.peer4.to_string() + ':' + port);
  if (device.ipv6) {
    table.rule("prerouting", "meta nfproto ipv6" + to_us + " dnat ip6 to [" +
                                 device.peer6.to_string() + "]:" + port);
  }
}

void append_for_shell(std::vector<std::string>& out, const std::vector<std::string>& statements) {
  // No statement holds a single quote: names of devices are checked, the rest is ours.
  for (const auto& statement : statements)
    out.push_back("nft '" + statement + "'");
}

} // namespace

std::vector<std::string> nft_statements(const config& run, std::string_view tun) {
  table_builder table{table_of(tun)};
  // The drops come first, since they also start connection tracking: at no moment is there
  // translation without them.
  drop_invalid(table, run, tun);
  keep_in(table, run.tun, tun);
  if (run.side == role::client) {
    masquerade(table, run.tun, tun);
  } else {
    table.chain("prerouting", "nat", "dstnat");
    for (const auto& tunnel : run.tunnels)
      redirect(table, *tunnel, run.tun, tun);
  }
  return table.take();
}

std::vector<std::string> nft_removal_statements(std::string_view tun) {
  // A table that is not there cannot be deleted.
  return {"add table " + table_of(tun), "delete table " + table_of(tun)};
}

std::vector<std::string> host_commands(const config& run, std::string_view tun) {
  std::vector<std::string> out{"sysctl -w net.ipv4.ip_forward=1"};
  if (run.tun.ipv6) out.emplace_back("sysctl -w net.ipv6.conf.all.forwarding=1");
  append_for_shell(out, nft_statements(run, tun));
  return out;
}

std::vector<std::string> host_removal_commands(std::string_view tun) {
  std::vector<std::string> out;
  append_for_shell(out, nft_removal_statements(tun));
  return out;
}

} // namespace tonel::actors::app
