#include "system/rule_text.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace tonel::sys {

namespace {

template <class... Parts> std::string joined(const Parts&... parts) {
  std::string out;
  ((out += parts), ...);
  return out;
}

std::string quoted(std::string_view name) { return '"' + std::string{name} + '"'; }

template <class Items> std::string set_of(const Items& items) {
  if (items.size() == 1) return *items.begin();
  std::string out = "{ ";
  for (const auto& item : items)
    out += (out.size() > 2 ? ", " : "") + item;
  return out + " }";
}

enum class family : std::uint8_t { both, v4, v6 };

/// The match for our packets on the network's side.
struct flow {
  family of = family::both;
  std::string out, in;
};

flow flow_of_ports(const std::set<std::uint16_t>& ports, bool theirs) {
  std::vector<std::string> items(ports.size());
  std::transform(ports.begin(), ports.end(), items.begin(),
                 [](std::uint16_t port) { return std::to_string(port); });
  const auto set = set_of(items);
  return {family::both, (theirs ? "tcp dport " : "tcp sport ") + set,
          (theirs ? "tcp sport " : "tcp dport ") + set};
}

flow flow_of_remotes(const std::set<std::string>& remotes, family of) {
  const std::string ip = of == family::v6 ? "ip6" : "ip";
  if (remotes.size() > 1) {
    const auto set = set_of(remotes);
    return {of, ip + " daddr . tcp dport " + set, ip + " saddr . tcp sport " + set};
  }
  const auto& one = *remotes.begin(); // "ADDRESS . PORT"
  const auto dot = one.find(" . ");
  const auto address = one.substr(0, dot);
  const auto port = one.substr(dot + 3);
  return {of, ip + " daddr " + address + " tcp dport " + port,
          ip + " saddr " + address + " tcp sport " + port};
}

/// The nets of a family from which clients come to ports; none: no limit, or nobody of that family,
/// which `closed` tells.
struct sources {
  std::vector<std::string> nets;
  bool closed = false;

  friend bool operator<(const sources& a, const sources& b) {
    return std::tie(a.closed, a.nets) < std::tie(b.closed, b.nets);
  }
};

sources sources_of(const rule_plan& plan, std::uint16_t port, bool v6) {
  const auto found = plan.allow.find(port);
  if (found == plan.allow.end() || found->second.empty()) return {};
  sources out;
  const auto nets = outermost(found->second, v6);
  out.closed = nets.empty();
  for (const auto& net : nets) {
    if (net.bits == 0) return {};
    const bool one = net.bits == 8 * net.address.size();
    out.nets.push_back(one ? net.address.to_string() : net.to_string());
  }
  return out;
}

/// The ports of a server, those with the same clients together.
std::vector<flow> flows_of_ports(const rule_plan& plan) {
  std::set<std::uint16_t> all;
  std::map<sources, std::set<std::uint16_t>> limited[2];
  for (const auto port : plan.ports) {
    const auto v4 = sources_of(plan, port, false), v6 = sources_of(plan, port, true);
    if (v4.nets.empty() && v6.nets.empty() && !v4.closed && !v6.closed) {
      all.insert(port);
      continue;
    }
    if (!v4.closed) limited[0][v4].insert(port);
    if (!v6.closed) limited[1][v6].insert(port);
  }
  std::vector<flow> out;
  if (!all.empty()) out.push_back(flow_of_ports(all, false));
  for (const bool v6 : {false, true}) {
    if (v6 && !plan.peer6) continue;
    for (const auto& [from, ports] : limited[v6 ? 1 : 0]) {
      auto f = flow_of_ports(ports, false);
      f.of = v6 ? family::v6 : family::v4;
      const std::string who = from.nets.empty()
                                  ? (v6 ? "meta nfproto ipv6 " : "meta nfproto ipv4 ")
                                  : (v6 ? "ip6 saddr " : "ip saddr ") + set_of(from.nets) + ' ';
      f.in = who + f.in;
      out.push_back(std::move(f));
    }
  }
  return out;
}

std::vector<flow> flows_of(const rule_plan& plan) {
  std::vector<flow> out;
  if (plan.server) return flows_of_ports(plan);
  std::set<std::string> v4, v6;
  std::set<std::uint16_t> unresolved;
  for (const auto& remote : plan.remotes) {
    // Until the name is resolved, the rules match the port only.
    if (!remote.address) {
      unresolved.insert(remote.port);
    } else {
      auto& set = remote.address.is_v6() ? v6 : v4;
      set.insert(remote.address.to_string() + " . " + std::to_string(remote.port));
    }
  }
  if (!v4.empty()) out.push_back(flow_of_remotes(v4, family::v4));
  if (!v6.empty() && plan.peer6) out.push_back(flow_of_remotes(v6, family::v6));
  if (!unresolved.empty()) out.push_back(flow_of_ports(unresolved, true));
  return out;
}

const char* flags_of(table_kind kind) noexcept {
  return kind == table_kind::owned ? " { flags owner; }" : "";
}

/// Writes the statements of one table.
class table_writer {
public:
  table_writer(const rule_plan& plan, table_kind kind)
      : plan_{plan}, table_{"inet " + plan.table}, tun_{quoted(plan.tun)}, flows_{flows_of(plan)} {
    // Flushed, not deleted: the chains stay, and with them connection tracking and the NAT of known
    // connections.
    out_ = {"add table " + table_ + flags_of(kind), "flush table " + table_};
  }

  std::vector<std::string> write() {
    if (plan_.server) limit_syns();
    if (plan_.nat == nat_mode::stateless) {
      write_stateless();
    } else {
      // The drops come first, since they also start connection tracking: there must never be NAT
      // without them.
      drop_invalid();
      accept();
      keep_in();
      close();
      mark();
      if (plan_.server) {
        limit_pickups();
        redirect();
      } else {
        masquerade();
      }
    }
    return std::move(out_);
  }

private:
  void chain(const char* name, const char* type, const char* hook, const char* priority) {
    chain_ = name;
    out_.push_back("add chain " + table_ + ' ' + name + " { type " + type + " hook " + hook +
                   " priority " + priority + "; policy accept; }");
  }
  void rule(const std::string& text) {
    out_.push_back("add rule " + table_ + ' ' + chain_ + ' ' + text);
  }

  /// Calls visit(flow, v6) for each flow and each of its families.
  template <class Visit> void each(Visit visit) const {
    for (const auto& f : flows_) {
      if (f.of != family::v6) visit(f, false);
      if (f.of != family::v4 && plan_.peer6) visit(f, true);
    }
  }
  std::string network(const char* key, bool v6) const {
    const auto& name = v6 ? plan_.interface6 : plan_.interface4;
    return name.empty() ? std::string{key} + " != " + tun_ : std::string{key} + ' ' + quoted(name);
  }
  std::string peer(const char* key, bool v6) const {
    return std::string{v6 ? "ip6 " : "ip "} + key + ' ' +
           (v6 ? plan_.peer6 : plan_.peer4).to_string();
  }

  /// Limits SYNs ahead of connection tracking, where each forged one would leave an entry for a
  /// minute. A few pass each second, so that nobody waits in quiet times. Of further ones, the
  /// first of a source is only noted, and the next one passes: real clients repeat their SYN,
  /// forged sources do not recur.
  void limit_syns() {
    chain("syns", "filter", "prerouting", "-310");
    // A chain without hook, reached by a jump.
    out_.push_back("add chain " + table_ + " new_syns");
    for (const auto& f : flows_)
      rule("iifname != " + tun_ + ' ' + f.in + " tcp flags & (fin | syn | rst | ack) == syn jump " +
           "new_syns");
    chain_ = "new_syns";
    // On a router, other hosts may have connections to the same port elsewhere.
    rule("fib daddr type != local accept");
    rule("limit rate 8/second burst 300 packets accept");
    note_sources("4", "ipv4_addr", "ip saddr");
    if (plan_.peer6) note_sources("6", "ipv6_addr", "ip6 saddr & ffff:ffff:ffff:ffff::");
    rule("drop");
  }

  void note_sources(const std::string& family, const std::string& type, const std::string& source) {
    const auto seen = "syn_sources" + family, rates = "syn_rates" + family;
    // Holds two or three seconds of the largest floods that a host takes in. tonel 0.6.1 repeats
    // its SYN after 3 s.
    out_.push_back("add set " + table_ + ' ' + seen + " { type " + type +
                   "; size 524288; flags dynamic,timeout; timeout 4s; gc-interval 1s; }");
    out_.push_back("add set " + table_ + ' ' + rates + " { type " + type +
                   "; size 65536; flags dynamic,timeout; timeout 10s; }");
    rule(source + " @" + seen + " update @" + seen + " { " + source + " timeout 10s } add @" +
         rates + " { " + source + " limit rate over 10000/second burst 10000 packets } drop");
    // Also passes a source for which the set of rates has no room.
    rule(source + " @" + seen + " accept");
    rule("add @" + seen + " { " + source + " }");
  }

  /// Drops packets that connection tracking calls invalid, which NAT does not translate: incoming
  /// ones would reach this host's own TCP, whose RST ends the stream; outgoing ones would leave
  /// with the TUN's address.
  void drop_invalid() {
    const std::string drop = " ct state invalid drop";
    const auto outside = [&] {
      for (const auto& f : flows_)
        rule("iifname != " + tun_ + ' ' + f.in + drop);
    };
    chain("input", "filter", "input", "filter");
    rule("iifname " + tun_ + " meta l4proto tcp" + drop);
    outside();
    chain("forward", "filter", "forward", "filter");
    rule("iifname " + tun_ + " meta l4proto tcp" + drop);
    rule("oifname " + tun_ + " meta l4proto tcp" + drop);
    outside();
  }

  /// Limits connections that connection tracking picks up in their middle (nf_conntrack_tcp_loose,
  /// the default), since each forged ACK would leave an entry for five minutes. Some pass, so that
  /// the clients of a restarted host learn by a RST that it does not know their connections any
  /// more.
  void limit_pickups() {
    chain("pickups", "filter", "prerouting", "mangle");
    for (const auto& f : flows_)
      rule("iifname != " + tun_ + ' ' + f.in +
           " ct state new tcp flags & (fin | syn | rst | ack) != syn fib daddr type local limit "
           "rate "
           "over 100/second burst 1000 packets drop");
  }

  /// Accepts our packets against later rules of this chain; chains of others decide for themselves.
  void accept() {
    each([&](const flow& f, bool v6) {
      rule("iifname " + tun_ + ' ' + network("oifname", v6) + ' ' + peer("saddr", v6) + ' ' +
           f.out + " accept");
      rule(network("iifname", v6) + " oifname " + tun_ + ' ' + peer("daddr", v6) + ' ' + f.in +
           " accept");
    });
  }

  /// Drops packets to the program's address that would leave by another device: while the program
  /// is not running, they would follow the default route.
  void keep_in() {
    for (const bool v6 : {false, true})
      if (!v6 || plan_.peer6) rule(peer("daddr", v6) + " oifname != " + tun_ + " drop");
  }

  /// Drops what passes only because of the forwarding that we switch on. Packets of other instances
  /// are told by their NAT, or by their TUN device before the NAT.
  void close() {
    for (const bool v6 : {false, true}) {
      const auto& open = v6 ? plan_.forward6 : plan_.forward4;
      if (open.closed.empty()) continue;
      const std::string of = v6 ? "meta nfproto ipv6 " : "meta nfproto ipv4 ";
      const auto close_to = [&](const std::string& from, const std::string& what) {
        auto text = of;
        rule(text.append("iifname ").append(from).append(what));
      };
      for (const auto& bridge : open.bridges)
        close_to(quoted(bridge.name), " ether daddr != " + bridge.address + " accept");
      const auto from = open.all_closed ? "!= " + set_of(tuns()) : set_of(names(open.closed));
      // A packet without a connection has no status to compare.
      close_to(from, " ct state invalid drop");
      close_to(from, " ct status & (snat | dnat) == 0 drop");
    }
  }

  static std::vector<std::string> names(std::vector<std::string> devices) {
    for (auto& device : devices)
      device = quoted(device);
    return devices;
  }
  std::vector<std::string> tuns() const {
    auto out = names(plan_.fellows);
    out.insert(out.begin(), tun_);
    return out;
  }

  /// Marks both directions: with net.ipv4.conf.*.src_valid_mark, replies are checked by the route
  /// back to their source, with the mark.
  void mark() {
    if (!plan_.mark) return mark_uplinks();
    const auto set = " meta mark set " + std::to_string(*plan_.mark);
    chain("marking", "filter", "prerouting", "mangle");
    rule("iifname " + tun_ + " meta l4proto tcp" + set);
    for (const auto& f : flows_)
      rule("iifname != " + tun_ + ' ' + f.in + set);
  }

  /// Packets from the TUN get the mark of their connection, by which routing finds the uplink that
  /// the connection came by (linux/uplinks).
  void mark_uplinks() {
    if (plan_.uplinks.empty()) return;
    chain("uplinks", "filter", "prerouting", "mangle");
    std::vector<std::string> marks;
    for (const auto& uplink : plan_.uplinks) {
      marks.push_back(std::to_string(uplink.mark));
      for (const auto& f : flows_)
        rule("iifname " + quoted(uplink.device) + ' ' + f.in +
             " fib daddr type local ct mark set " + marks.back());
    }
    rule("iifname " + tun_ + " meta l4proto tcp ct mark " + set_of(marks) +
         " meta mark set ct mark");
  }

  /// Masquerades by source address: a postrouting chain knows the incoming device only since Linux
  /// 5.7, and only the TUN has this address. Without "random" the port stays the same if it is
  /// free.
  void masquerade() {
    chain("postrouting", "nat", "postrouting", "srcnat");
    each([&](const flow& f, bool v6) {
      rule(network("oifname", v6) + ' ' + peer("saddr", v6) + ' ' + f.out + " masquerade");
    });
  }

  /// Redirects packets to this host only: on a router, other hosts may have connections to the same
  /// port elsewhere.
  void redirect() {
    chain("prerouting", "nat", "prerouting", "dstnat");
    each([&](const flow& f, bool v6) {
      rule(network("iifname", v6) + (v6 ? " meta nfproto ipv6" : " meta nfproto ipv4") +
           " fib daddr type local " + f.in + (v6 ? " dnat ip6 to " : " dnat ip to ") +
           (v6 ? plan_.peer6 : plan_.peer4).to_string());
    });
  }

  /// Rewrites the destination before the route is chosen, the source after: with an address of this
  /// host as source, a packet from the TUN would be martian.
  void write_stateless() {
    const auto each_host = [&](auto visit) {
      each([&](const flow& f, bool v6) {
        const auto& host = v6 ? plan_.host6 : plan_.host4;
        const std::string ip = v6 ? "ip6 " : "ip ";
        if (host) visit(f, v6, ip, host.to_string());
      });
    };
    chain("forward", "filter", "forward", "filter");
    accept();
    keep_in();
    // Packets without NAT would leave with the TUN's address.
    rule("iifname " + tun_ + " meta l4proto tcp drop");
    close();
    mark();
    chain("postrouting", "filter", "postrouting", "srcnat");
    each_host([&](const flow& f, bool v6, const std::string& ip, const std::string& host) {
      rule(network("oifname", v6) + ' ' + peer("saddr", v6) + ' ' + f.out + ' ' + ip +
           "saddr set " + host);
    });
    chain("prerouting", "filter", "prerouting", "raw");
    each_host([&](const flow& f, bool v6, const std::string& ip, const std::string& host) {
      rule("iifname " + tun_ + ' ' + peer("saddr", v6) + ' ' + f.out + " notrack");
      rule(network("iifname", v6) + ' ' + ip + "daddr " + host + ' ' + f.in + " notrack " + ip +
           "daddr set " + (v6 ? plan_.peer6 : plan_.peer4).to_string());
    });
  }

  const rule_plan& plan_;
  std::string table_, tun_, chain_;
  std::vector<flow> flows_;
  std::vector<std::string> out_;
};

/// Collects the iptables rules of one family.
class chain_writer {
public:
  chain_writer(const rule_plan& plan, bool v6) : plan_{plan}, v6_{v6} {
    if (plan.server) {
      for (const auto port : std::set<std::uint16_t>{plan.ports.begin(), plan.ports.end()})
        add_port(port);
      return;
    }
    for (const auto& remote : plan.remotes) {
      if (remote.address && remote.address.is_v6() != v6) continue;
      const auto port = std::to_string(remote.port);
      const auto address = remote.address ? remote.address.to_string() + ' ' : std::string{};
      flow f{family::both, joined(address.empty() ? "" : "-d ", address, "-p tcp --dport ", port),
             joined(address.empty() ? "" : "-s ", address, "-p tcp --sport ", port)};
      const auto same = [&](const flow& other) { return other.out == f.out; };
      if (std::none_of(flows_.begin(), flows_.end(), same)) flows_.push_back(std::move(f));
    }
  }

  std::vector<iptables_rule> write() {
    const auto in = "-i " + plan_.tun, out = "-o " + plan_.tun;
    const auto peer = (v6_ ? plan_.peer6 : plan_.peer4).to_string();
    const auto from = network("-i"), to = network("-o");
    const std::string drop = " -m conntrack --ctstate INVALID -j DROP";
    for (const char* chain : {"INPUT", "FORWARD"}) {
      add("filter", chain, in, " -p tcp", drop);
      if (*chain == 'F') add("filter", chain, out, " -p tcp", drop);
      for (const auto& f : flows_)
        add("filter", chain, "! ", in, " ", f.in, drop);
    }
    for (const auto& f : flows_) {
      add("filter", "FORWARD", in, " ", to, " -s ", peer, " ", f.out, " -j ACCEPT");
      add("filter", "FORWARD", from, " ", out, " -d ", peer, " ", f.in, " -j ACCEPT");
    }
    add("filter", "FORWARD", "-d ", peer, " ! ", out, " -j DROP");
    close();
    if (plan_.mark) {
      const auto set = " -j MARK --set-mark " + std::to_string(*plan_.mark);
      add("mangle", "PREROUTING", in, " -p tcp", set);
      for (const auto& f : flows_)
        add("mangle", "PREROUTING", "! ", in, " ", f.in, set);
    }
    for (const auto& uplink : plan_.uplinks) {
      if (plan_.mark) break;
      const auto mark = std::to_string(uplink.mark);
      for (const auto& f : flows_)
        add("mangle", "PREROUTING", "-i ", uplink.device, " -m addrtype --dst-type LOCAL ", f.in,
            " -j CONNMARK --set-mark ", mark);
      add("mangle", "PREROUTING", in, " -p tcp -m connmark --mark ", mark,
          " -j CONNMARK --restore-mark");
    }
    for (const auto& f : flows_) {
      if (plan_.server)
        add("nat", "PREROUTING", from, " -m addrtype --dst-type LOCAL ", f.in,
            " -j DNAT --to-destination ", peer);
      else
        add("nat", "POSTROUTING", to, " -s ", peer, " ", f.out, " -j MASQUERADE");
    }
    return std::move(rules_);
  }

private:
  void add_port(std::uint16_t port) {
    const auto number = std::to_string(port);
    const auto from = sources_of(plan_, port, v6_);
    if (from.closed) return;
    const flow all{family::both, "-p tcp --sport " + number, "-p tcp --dport " + number};
    if (from.nets.empty()) flows_.push_back(all);
    for (const auto& net : from.nets)
      flows_.push_back({family::both, all.out, "-s " + net + ' ' + all.in});
  }
  std::string network(const char* key) const {
    const auto& name = v6_ ? plan_.interface6 : plan_.interface4;
    return name.empty() ? std::string{"! "} + key + ' ' + plan_.tun : std::string{key} + ' ' + name;
  }
  /// The same for iptables, which has a match for frames of a bridge.
  void close() {
    const auto& open = v6_ ? plan_.forward6 : plan_.forward4;
    for (const auto& device : open.closed)
      add("filter", "FORWARD", "-i ", device,
          open.bridges.empty() ? "" : " -m physdev ! --physdev-is-bridged",
          " -m conntrack ! --ctstate SNAT,DNAT,UNTRACKED -j DROP");
  }
  template <class... Parts> void add(const char* table, const char* chain, const Parts&... parts) {
    const auto match = joined(parts...);
    const auto target = match.rfind(" -j ");
    iptables_rule rule{table, chain,
                       joined(match.substr(0, target), " -m comment --comment ",
                              quoted(plan_.table), match.substr(target))};
    // What leaves a port is the same for all nets that come to it.
    const auto same = [&](const iptables_rule& other) {
      return other.table == rule.table && other.chain == rule.chain && other.match == rule.match;
    };
    if (std::none_of(rules_.begin(), rules_.end(), same)) rules_.push_back(std::move(rule));
  }

  const rule_plan& plan_;
  bool v6_;
  std::vector<flow> flows_;
  std::vector<iptables_rule> rules_;
};

/// Calls visit(table, line) for each rule with the tag.
template <class Visit> void each_tagged(std::string_view saved, std::string_view tag, Visit visit) {
  // The comment has quotes or not, depending on the version and the name.
  const auto bare = " --comment " + std::string{tag} + ' ';
  const auto in_quotes = " --comment " + quoted(tag) + ' ';
  std::string table;
  while (!saved.empty()) {
    const auto end = std::min(saved.find('\n'), saved.size());
    const auto line = saved.substr(0, end);
    saved.remove_prefix(std::min(end + 1, saved.size()));
    if (!line.empty() && line.front() == '*') {
      table = std::string{line.substr(1)};
    } else if (line.substr(0, 3) == "-A " && (line.find(bare) != std::string_view::npos ||
                                              line.find(in_quotes) != std::string_view::npos)) {
      visit(table, line);
    }
  }
}

} // namespace

std::vector<std::string> nft_statements(const rule_plan& plan, table_kind kind) {
  return table_writer{plan, kind}.write();
}

std::vector<std::string> nft_removal_statements(std::string_view table, table_kind kind) {
  // Added first, since deleting a missing table fails; of the same kind, since kinds cannot change.
  const auto name = "table inet " + std::string{table};
  return {"add " + name + flags_of(kind), "delete " + name};
}

std::vector<iptables_rule> iptables_rules(const rule_plan& plan, bool v6) {
  if (plan.nat == nat_mode::stateless || (v6 && !plan.peer6)) return {};
  return chain_writer{plan, v6}.write();
}

std::string iptables_restore_text(std::string_view saved, std::string_view tag,
                                  const std::vector<iptables_rule>& rules) {
  std::map<std::string, std::string> sections;
  each_tagged(saved, tag, [&](const std::string& table, std::string_view line) {
    sections[table] += "-D" + std::string{line.substr(2)} + '\n';
  });
  std::map<std::pair<std::string, std::string>, int> position;
  for (const auto& r : rules)
    sections[r.table] += joined("-I ", r.chain, " ", std::to_string(++position[{r.table, r.chain}]),
                                " ", r.match, "\n");
  std::string out;
  for (const auto& [table, lines] : sections)
    out += joined("*", table, "\n", lines, "COMMIT\n");
  return out;
}

std::vector<std::string> iptables_lines_of(std::string_view saved, std::string_view tag) {
  std::vector<std::string> out;
  each_tagged(saved, tag, [&](const std::string& table, std::string_view line) {
    out.push_back(table + ' ' + std::string{line});
  });
  return out;
}

} // namespace tonel::sys
