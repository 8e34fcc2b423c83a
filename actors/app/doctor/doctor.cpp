#include "actors/app/doctor/doctor.hpp"

#include "actors/app/doctor/rule_findings.hpp"
#include "actors/app/settings/option_table.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace tonel::actors::app {

namespace {

using level = finding::level;

class examination {
public:
  examination(const doctor_target& target, const sys::host_facts& facts)
      : target_(target), facts_(facts) {}
  std::vector<finding> run();

private:
  void fine(const char* about, std::string text) {
    out_.push_back({level::fine, about, std::move(text), {}});
  }
  void note(const char* about, std::string text, std::vector<std::string> mend = {}) {
    out_.push_back({level::note, about, std::move(text), std::move(mend)});
  }
  void fault(const char* about, std::string text, std::vector<std::string> mend = {}) {
    out_.push_back({level::fault, about, std::move(text), std::move(mend)});
  }
  bool client() const { return target_.side == role::client; }
  /// Some tunnel of the running program does.
  bool works() const {
    return std::any_of(target_.parts.begin(), target_.parts.end(),
                       [](const told_part& part) { return part.state == "works"; });
  }
  bool macos() const { return facts_.system == sys::host_system::macos; }
  std::string program() const { return program_of(target_); }
  void take(std::vector<finding> more) {
    std::move(more.begin(), more.end(), std::back_inserter(out_));
  }
  /// It sets its rules and sysctls when it starts.
  bool will_set_rules() const { return target_.sets_rules && !target_.running; }
  /// The way to the server is a VPN's that may itself go through this tunnel.
  bool may_run_in_a_circle() const {
    const auto* uplink = interface(facts_.uplink);
    return client() && (facts_.spared_mark || (uplink != nullptr && uplink->wireguard));
  }
  const sys::interface_facts* interface(const std::string& name) const;

  void configuration();
  void program_parts();
  void tun();
  void device_addresses();
  void capability();
  void root();
  void route();
  bool forwards_by_device() const;
  void forwarding();
  void reverse_path();
  void tracking();
  void offloads();
  void path_mtu();
  void port();

  const doctor_target& target_;
  const sys::host_facts& facts_;
  std::vector<finding> out_;
};

const sys::interface_facts* examination::interface(const std::string& name) const {
  const auto& all = facts_.interfaces;
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name; });
  return at != all.end() && !name.empty() ? &*at : nullptr;
}

std::vector<finding> examination::run() {
  configuration();
  program_parts();
  if (macos()) {
    root();
  } else {
    tun();
    capability();
  }
  device_addresses();
  route();
  forwarding();
  if (macos()) {
    take(packet_filter_findings(target_, facts_));
  } else {
    reverse_path();
    take(forward_findings(target_, facts_));
    take(translation_findings(target_, facts_));
    tracking();
    offloads();
  }
  path_mtu();
  port();
  return std::move(out_);
}

void examination::configuration() {
  for (const auto& problem : target_.problems)
    fault("configuration", problem);
  if (target_.problems.empty() && !target_.config_file.empty())
    fine("configuration", target_.tunnels == 1
                              ? "it has 1 tunnel"
                              : "it has " + std::to_string(target_.tunnels) + " tunnels");
}

/// A tunnel's part: "tunnel", "tunnel office".
bool is_tunnel(const told_part& part) {
  return part.name == "tunnel" || part.name.rfind("tunnel ", 0) == 0;
}

bool has_failed(const told_part& part) { return part.state == "failing" || part.state == "silent"; }

void examination::program_parts() {
  for (const auto& part : target_.parts)
    if (has_failed(part) && !is_tunnel(part))
      fault("program", program() + " says of its part " + part.name + ": " + part.state +
                           (part.detail.empty() ? "" : ": " + part.detail));
}

void examination::tun() {
  switch (facts_.tun_error) {
  case 0: fine("tun", "/dev/net/tun can be opened"); return;
  case ENOENT:
    fault("tun", "the device node /dev/net/tun is missing",
          {"mkdir -p /dev/net", "mknod -m 666 /dev/net/tun c 10 200"});
    return;
  case ENODEV: fault("tun", "the kernel has no TUN driver loaded", {"modprobe tun"}); return;
  case EACCES:
    fault("tun", "/dev/net/tun may not be opened by this user", {"chmod 666 /dev/net/tun"});
    return;
  case EPERM:
    fault("tun", "/dev/net/tun may not be opened: the container or service forbids the device "
                 "(docker: --device /dev/net/tun; systemd: DeviceAllow=/dev/net/tun)");
    return;
  default:
    fault("tun", std::string{"/dev/net/tun cannot be opened: "} + std::strerror(facts_.tun_error));
  }
}

/// What the program would refuse at its start.
void examination::device_addresses() {
  for (const auto& ends : target_.chosen) {
    const auto overlap = sys::overlap_of(ends, facts_.nets);
    if (!overlap || !overlap->with.direct) continue;
    const auto& net = overlap->with.net;
    const bool one = net.bits == 8 * net.address.size();
    fault("addresses",
          "the TUN's address " + overlap->address.to_string() + " is " +
              (one ? "in use, by device " : "in " + net.to_string() + ", the net of ") +
              overlap->with.device +
              ": leave --tun-local and --tun-peer out, and a free net is taken");
  }
}

void examination::capability() {
  if (target_.running) {
    fine("capability", program() + " is running and has its device");
    return;
  }
  if (facts_.net_admin) {
    fine("capability", "this user has CAP_NET_ADMIN");
    return;
  }
  std::vector<std::string> mend;
  for (const auto& [path, has] : facts_.programs)
    if (!has) mend.push_back("setcap cap_net_admin+ep " + path);
  if (mend.empty() && !facts_.programs.empty())
    fine("capability", "the program's file carries CAP_NET_ADMIN");
  else
    fault("capability",
          "this user lacks CAP_NET_ADMIN, which a TUN device needs; run " + program() +
              " as root or as a service, or give the capability to its file",
          mend);
}

/// On macOS only root can open a device: there is no device node and no capability.
void examination::root() {
  if (target_.running)
    fine("capability", program() + " is running and has its device");
  else if (facts_.net_admin)
    fine("capability", "this user is root, as a utun device wants it");
  else
    fault("capability", "a utun device is for root alone; run " + program() +
                            " with sudo, or as launchd's service");
}

void examination::route() {
  if (facts_.uplink.empty()) return fault("route", "there is no route to the other end");
  if (may_run_in_a_circle()) {
    const auto rule = facts_.spared_mark
                          ? ", by a rule of policy routing for all that has no mark " +
                                std::to_string(*facts_.spared_mark)
                          : std::string{", a WireGuard device"};
    // Beneath another VPN that is right.
    out_.push_back({works() || target_.answered ? level::note : level::fault,
                    "route",
                    "packets to the other end leave by " + facts_.uplink + rule +
                        ": if that VPN's own datagrams go through this tunnel, they run in a "
                        "circle. Then tonelc needs "
                        "the mark that the VPN's rule leaves out: --fwmark " +
                        (facts_.spared_mark ? std::to_string(*facts_.spared_mark)
                                            : "51820, or the FwMark that is set there"),
                    {}});
  } else if (!target_.auto_rule.empty() && target_.auto_rule != facts_.uplink)
    fault("route", "packets to the other end leave by " + facts_.uplink + ", and --auto-rule " +
                       target_.auto_rule + " translates what leaves by that device alone: name " +
                       facts_.uplink + ", or auto");
  else
    fine("route", "packets to the other end leave by " + facts_.uplink);
}

bool examination::forwards_by_device() const {
  const auto on = [&](const std::string& name) {
    const auto* at = interface(name);
    return at != nullptr && at->forwarding == 1;
  };
  return on(facts_.uplink) && on(target_.tun);
}

void examination::forwarding() {
  if (will_set_rules() && !macos())
    return fine("forwarding", program() + " switches it on for its packets");
  // By device, which one of them cannot be told of without a route; that of the host says nothing.
  if (target_.running && target_.sets_rules && facts_.uplink.empty() && !macos())
    return fine("forwarding", program() + " keeps it on for its packets");
  if (facts_.forward4 && *facts_.forward4 == 0 && !forwards_by_device())
    fault("forwarding",
          "IPv4 forwarding is off: packets stop between the TUN device and the network",
          {macos() ? "sysctl -w net.inet.ip.forwarding=1" : "sysctl -w net.ipv4.ip_forward=1"});
  else
    fine("forwarding", "IPv4 is forwarded");
  if (target_.ipv6 && facts_.forward6 && *facts_.forward6 == 0 && !facts_.forwards6_by_device) {
    const std::string text =
        "IPv6 forwarding is off: clients and servers are reached over IPv4 alone";
    if (macos())
      fault("forwarding6", text, {"sysctl -w net.inet6.ip6.forwarding=1"});
    else
      fault("forwarding6",
            text + " (a host that takes its address from router advertisements then needs "
                   "accept_ra=2 on that interface)",
            {"sysctl -w net.ipv6.conf.all.forwarding=1"});
  }
  if (facts_.forward4.value_or(0) == 0) return;
  for (const auto& name : {facts_.uplink, target_.tun}) {
    const auto* at = interface(name);
    if (at != nullptr && at->forwarding && *at->forwarding == 0)
      fault("forwarding", "forwarding of what arrives by " + name + " is off",
            {"sysctl -w net/ipv4/conf/" + name + "/forwarding=1"});
  }
}

void examination::reverse_path() {
  if (may_run_in_a_circle()) return;
  bool strict = false;
  for (const auto& each : facts_.interfaces) {
    if (!each.up || each.loopback || each.rp_filter != 1 || !each.default_route) continue;
    if (facts_.uplink.empty() || each.name == facts_.uplink) continue;
    strict = true;
    fault("rp_filter",
          each.name +
              " drops packets of the other end: rp_filter is strict there, and the way "
              "back is by " +
              facts_.uplink,
          {"sysctl -w net/ipv4/conf/" + each.name + "/rp_filter=2"});
  }
  if (!strict) fine("rp_filter", "no interface drops packets for the way they come");
}

void examination::tracking() {
  if (!facts_.conntrack_liberal) {
    note("conntrack",
         "connection tracking is not there; it is with the first rule that translates addresses, "
         "if the kernel has it",
         {"modprobe nf_conntrack"});
    return;
  }
  if (facts_.conntrack_count && facts_.conntrack_max && *facts_.conntrack_max != 0 &&
      *facts_.conntrack_count * 10 >= *facts_.conntrack_max * 9)
    fault(
        "conntrack",
        "the table of tracked connections is full or nearly so: " +
            std::to_string(*facts_.conntrack_count) + " of " +
            std::to_string(*facts_.conntrack_max),
        {"sysctl -w net.netfilter.nf_conntrack_max=" + std::to_string(*facts_.conntrack_max * 2)});
  else
    fine("conntrack", "connections are tracked, and there is room for more");
  // No fault: tonel's connections pass even strict tracking.
  if (*facts_.conntrack_liberal == 0)
    note("conntrack-strict",
         "connection tracking checks TCP windows: right for tonel's own protocol, but a peer that "
         "is tonel 0.6.1 or phantun may stand still after a loss",
         {"sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1"});
}

void examination::offloads() {
  const auto* uplink = interface(facts_.uplink);
  if (uplink == nullptr) return;
  if (uplink->off.empty()) {
    fine("offload", uplink->name + " cuts and merges packets by itself");
    return;
  }
  std::string list, command = "ethtool -K " + uplink->name;
  for (const auto& each : uplink->off) {
    list += (list.empty() ? "" : ", ") + each;
    command += ' ' + each + " on";
  }
  note("offload",
       uplink->name + " has offloads switched off (" + list +
           "): large datagram rates cost more CPU time",
       {command});
}

void examination::path_mtu() {
  // A VPN's device takes less than its own datagrams need.
  if (may_run_in_a_circle()) return;
  auto least = facts_.path_mtu;
  if (const auto* uplink = interface(facts_.uplink); uplink != nullptr && uplink->mtu != 0)
    least = least ? std::min(*least, uplink->mtu) : uplink->mtu;
  if (!least) return;
  if (*least >= target_.mtu) {
    fine("mtu",
         "packets of " + std::to_string(target_.mtu) + " bytes fit the way, as far as known");
    return;
  }
  const auto text = std::to_string(*least);
  std::vector<std::string> mend;
  std::string how = "; start " + program() + " with --mtu " + text;
  if (!target_.config_file.empty() && macos()) {
    // The sed of macOS does not take these commands on one line.
    how = "; put \"mtu = " + text + "\" into " + target_.config_file;
  } else if (!target_.config_file.empty()) {
    how.clear();
    // Removes other lines, which would count; a line above all sections applies to all.
    mend = {"sed -i -e '1i mtu = " + text + "' -e '/^ *mtu *=/d' " + target_.config_file};
  }
  note("mtu",
       "the way takes packets of " + text + " bytes, --mtu is " + std::to_string(target_.mtu) +
           ": the first large datagrams of each session are lost" + how,
       std::move(mend));
}

void examination::port() {
  if (client() || target_.local_port == 0) return;
  const auto port_text = std::to_string(target_.local_port);
  if (facts_.listeners.empty()) {
    fine("port", "no other program listens on TCP port " + port_text);
    return;
  }
  std::vector<int> named;
  std::string who;
  for (const auto& each : facts_.listeners) {
    if (each.pid == 0 || std::find(named.begin(), named.end(), each.pid) != named.end()) continue;
    named.push_back(each.pid);
    who += (who.empty() ? " (" : ", ") + each.program + ", process " + std::to_string(each.pid);
  }
  if (!who.empty()) who += ')';
  if (target_.take_port)
    return note("port", "another program listens on TCP port " + port_text + who +
                            ": tonels takes the port from it (--take-port)");
  fault("port", "another program listens on TCP port " + port_text + who +
                    ": it gets no connection from outside while tonels has the port; stop its "
                    "service, or choose another --local");
}

/// "tunnels a, b: ", or nothing
std::string label(const std::vector<std::string>& tunnels) {
  std::string out;
  for (const auto& name : tunnels)
    out += (out.empty() ? "" : ", ") + name;
  if (out.empty()) return out;
  return (tunnels.size() > 1 ? "tunnels " : "tunnel ") + out + ": ";
}

const char* word(level is) {
  switch (is) {
  case level::fine: return "ok";
  case level::note: return "note";
  case level::fault: return "fault";
  }
  return "";
}

} // namespace

std::string program_of(const doctor_target& target) {
  return std::string{program_name(target.side)};
}

std::vector<finding> diagnose(const doctor_target& target, const sys::host_facts& facts) {
  return examination{target, facts}.run();
}

std::optional<finding> told_of(const doctor_target& target, const std::string& tunnel) {
  const auto name = tunnel.empty() ? "tunnel" : "tunnel " + tunnel;
  const auto at = std::find_if(target.parts.begin(), target.parts.end(),
                               [&](const told_part& part) { return part.name == name; });
  if (at == target.parts.end()) return std::nullopt;
  if (has_failed(*at)) return finding{level::fault, "tunnel", at->detail, {}};
  if (at->state == "unanswered") return finding{level::note, "tunnel", at->detail, {}};
  if (at->state != "works") return std::nullopt;
  // What is open may be silent, and the way be lost.
  if (!at->detail.empty()) return finding{level::fault, "tunnel", at->detail, {}};
  return finding{level::fine, "tunnel", "datagrams pass both ways", {}};
}

std::vector<finding> joined(const std::vector<tunnel_findings>& of_each) {
  std::vector<finding> out;
  for (const auto& [tunnel, list] : of_each)
    for (const auto& each : list) {
      const auto same = std::find_if(out.begin(), out.end(), [&](const finding& f) {
        return f.is == each.is && f.about == each.about && f.text == each.text &&
               f.mend == each.mend;
      });
      if (same != out.end()) {
        same->tunnels.push_back(tunnel);
        continue;
      }
      const auto behind = std::find_if(out.rbegin(), out.rend(),
                                       [&](const finding& f) { return f.about == each.about; });
      const auto at = behind != out.rend() ? behind.base() : out.end();
      out.insert(at, each)->tunnels = {tunnel};
    }
  for (auto& each : out)
    if (each.tunnels.size() >= of_each.size()) each.tunnels.clear();
  return out;
}

std::string findings_text(const std::vector<finding>& findings) {
  std::string out;
  for (const auto& each : findings) {
    std::string head = word(each.is);
    head.resize(7, ' ');
    out += head + each.about + ": " + label(each.tunnels) + each.text + '\n';
    for (const auto& command : each.mend)
      out += "         " + command + '\n';
  }
  return out;
}

std::string findings_json(const doctor_target& target, const std::vector<finding>& findings) {
  using json = nlohmann::ordered_json;
  json list = json::array();
  for (const auto& each : findings) {
    json one{
        {"is", word(each.is)}, {"about", each.about}, {"text", each.text}, {"mend", each.mend}};
    if (!each.tunnels.empty()) one["tunnels"] = each.tunnels;
    list.push_back(std::move(one));
  }
  return json{{"side", target.side == role::client ? "client" : "server"},
              {"tun", target.tun},
              {"running", target.running},
              {"findings", std::move(list)}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace tonel::actors::app
