#include "actors/app/settings/process_options.hpp"

#include "actors/app/settings/process_row_kinds.hpp"
#include "actors/app/settings/value_reader.hpp"
#include "system/rule_backend.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace tonel::actors::app {

namespace {

using protocol::endpoint;
using protocol::ip_address;
using heading = option_heading;

constexpr std::uint64_t octets_a_mib = 1'048'576;

process_row tun() {
  const auto read = [](reader& in, settings& s) {
    auto& out = s.run.tun;
    out.name = std::string{in.text("tun")};
    if (!in.given("tun")) return;
    if (out.name.find_first_not_of("0123456789") != std::string::npos) {
      if (auto problem = tun_name_problem(out.name); !problem.empty())
        in.refuse("tun", std::move(problem));
      return;
    }
    const auto fd = parse_number(out.name);
    // 0 to 2 are the standard streams; above is the limit of all processes (fs.nr_open).
    if (!fd || *fd < 3 || *fd > 1'073'741'816)
      in.refuse("tun", "as a number must be that of a descriptor, 3 or more");
    else
      out.fd = static_cast<int>(*fd);
    out.name.clear();
  };
  return {option_row{"tun",
                     "NAME|FD",
                     {},
                     "name of the device, or the number of a descriptor that was inherited of an "
                     "open one; not given, the kernel picks a name"}
              .of(heading::device),
          read, [](const settings& s) {
            return s.run.tun.fd >= 0 ? std::to_string(s.run.tun.fd) : s.run.tun.name;
          }};
}

ip_address read_address(reader& in, const char* name, bool v6) {
  const auto a = ip_address::parse(in.text(name));
  auto problem = device_address_problem(a, v6);
  if (problem.empty()) return *a;
  in.refuse(name, std::move(problem));
  return {};
}

/// Checks the two addresses of a family.
void judge_pair(reader& in, const ip_address& local, const char* local_name, const ip_address& peer,
                const char* peer_name) {
  if (!local || !peer) return;
  if (local == peer)
    in.refuse(peer_name, std::string{"must differ from --"} + local_name);
  else if (!same_network(local, peer))
    in.refuse(peer_name, std::string{"must be in one "} + (local.is_v6() ? "/64" : "/24") +
                             " with --" + local_name + " " + local.to_string());
}

process_row address4(const option_row& row, ip_address tun_config::*member) {
  return {row.of(heading::device),
          [row, member](reader& in, settings& out) {
            out.run.tun.*member = read_address(in, row.name, false);
            out.run.tun.chosen4 = out.run.tun.chosen4 || in.given(row.name);
          },
          [member](const settings& s) { return (s.run.tun.*member).to_string(); }};
}

process_row address6(const option_row& row, ip_address tun_config::*member) {
  return {row.of(heading::device),
          [row, member](reader& in, settings& s) {
            auto& out = s.run.tun;
            out.ipv6_required = out.ipv6_required || in.given(row.name);
            out.chosen6 = out.ipv6_required;
            if (out.ipv6)
              out.*member = read_address(in, row.name, true);
            else if (in.given(row.name))
              in.refuse(row.name, "cannot go with --ipv4-only");
          },
          [row, member](const settings& s) {
            if (!s.run.tun.ipv6) return std::string{row.preset.of(s.run.side)};
            return (s.run.tun.*member).to_string();
          }};
}

struct offload_name {
  std::string_view name;
  bool offload_switches::*which;
};
constexpr offload_name offload_names[] = {{"tun", &offload_switches::tun},
                                          {"udp-gso", &offload_switches::udp_gso},
                                          {"udp-gro", &offload_switches::udp_gro}};

void read_offload(reader& in, settings& s) {
  auto& out = s.run.offload;
  const auto text = in.text("offload");
  if (text == "auto") return;
  if (text == "off") {
    out = {false, false, false};
    return;
  }
  std::vector<std::string_view> seen;
  std::optional<bool> negative;
  std::string problem;
  for (std::size_t begin = 0; begin <= text.size() && problem.empty();) {
    const auto end = std::min(text.find(',', begin), text.size());
    auto item = text.substr(begin, end - begin);
    begin = end + 1;
    const bool no = item.substr(0, 3) == "no-";
    if (no) item.remove_prefix(3);
    if (std::none_of(std::begin(offload_names), std::end(offload_names),
                     [&](const auto& e) { return e.name == item; })) {
      problem = "must be auto, off, or a list of tun, udp-gso and udp-gro (or of no-tun, "
                "no-udp-gso and no-udp-gro), joined by commas";
    } else if (negative && *negative != no) {
      problem = "must not mix what to use with what to leave out";
    } else if (std::find(seen.begin(), seen.end(), item) != seen.end()) {
      problem = "names " + std::string{item} + " twice";
    } else {
      seen.push_back(item);
      negative = no;
    }
  }
  if (!problem.empty()) return in.refuse("offload", std::move(problem));
  for (const auto& e : offload_names) {
    const bool named = std::find(seen.begin(), seen.end(), e.name) != seen.end();
    out.*e.which = named != *negative;
  }
}

std::string show_offload(const settings& s) {
  std::string out;
  std::size_t used = 0;
  for (const auto& e : offload_names) {
    if (!(s.run.offload.*e.which)) continue;
    out += (out.empty() ? "" : ",") + std::string{e.name};
    ++used;
  }
  return used == std::size(offload_names) ? "auto" : used == 0 ? "off" : out;
}

void read_auto_rule(reader& in, settings& out) {
  auto& interface = out.firewall.interface;
  interface = std::string{in.text("auto-rule")};
  if (!in.given("auto-rule")) return;
  auto problem =
      interface.empty() ? "must name an interface, or be auto" : tun_name_problem(interface);
  if (problem.empty() && interface.find('%') != std::string::npos)
    problem = "must name an interface, or be auto";
  if (!problem.empty()) in.refuse("auto-rule", std::move(problem));
}

void judge_nat(reader& in, settings& out) {
  if (out.firewall.nat != sys::nat_mode::stateless) return;
  if (!in.given("auto-rule"))
    in.refuse("nat", "needs --auto-rule, to know this host's address");
  else if (in.text("firewall") == "iptables")
    in.refuse("nat", "is not among what iptables can do");
}

void judge_backend(reader& in, const settings& out) {
  if (out.firewall.backend != sys::backend_kind::direct || !in.good("firewall")) return;
  if (!in.given("auto-rule"))
    in.refuse("firewall", "needs --auto-rule for bpf, which nobody can set by hand");
  else if (in.text("nat") == "stateless")
    in.refuse("nat", "is not among what --firewall bpf does, which translates nothing");
}

void read_mark(reader& in, settings& out) {
  if (!in.given("fwmark")) return;
  out.firewall.mark = parse_mark(in.text("fwmark"));
  if (!out.firewall.mark) in.refuse("fwmark", "must be 1 to 4294967295, or as much after 0x");
}

void read_backend(reader& in, settings& out) {
  if (const auto kind = sys::parse_backend_kind(in.text("firewall")))
    out.firewall.backend = *kind;
  else
    in.refuse("firewall", std::string{"must be "} + sys::known_backend_kinds());
  judge_backend(in, out);
}

/// A part above the whole is an error if a user gave it; a default is lowered to the whole.
void judge_part(reader& in, const limits& bounds, const char* name, std::size_t& part) {
  if (part <= bounds.max_sessions || !in.good("max-sessions") || !in.good(name)) return;
  if (in.given(name))
    in.refuse(name, "must not exceed --max-sessions " + std::to_string(bounds.max_sessions));
  else
    part = bounds.max_sessions;
}

void judge_pending(reader& in, settings& out) {
  if (in.good("pending-bytes") && in.good("pending-total-mib") &&
      out.run.bounds.pending_bytes > out.run.bounds.pending_total_bytes)
    in.refuse("pending-bytes",
              "must not exceed --pending-total-mib " + std::string{in.text("pending-total-mib")});
}

void read_metrics(reader& in, settings& out) {
  const auto text = in.text("metrics");
  if (text == "off") return;
  if (const auto port = parse_port(text))
    out.metrics = endpoint{ip_address::v4(127, 0, 0, 1), *port};
  else if (const auto where = endpoint::parse(text); where && where->port != 0)
    out.metrics = where;
  else
    in.refuse("metrics", "must be off, a port, or IPv4:PORT or [IPv6]:PORT, the port 1 to 65535");
}

void add_device(std::vector<process_row>& out) {
  const auto add = [&](process_row row) {
    row.option.group = heading::device;
    out.push_back(std::move(row));
  };
  add(tun());
  add(address4(
      {"tun-local",
       "IPv4",
       {"192.168.200.1", "192.168.201.1"},
       "address of this host on the device; not given, one of the next nets is taken where "
       "this one is in use"},
      &tun_config::local4));
  add(then(address4({"tun-peer",
                     "IPv4",
                     {"192.168.200.2", "192.168.201.2"},
                     "address of this program on the device, in the /24 of --tun-local"},
                    &tun_config::peer4),
           [](reader& in, settings& s) {
             judge_pair(in, s.run.tun.local4, "tun-local", s.run.tun.peer4, "tun-peer");
           }));
  add({option_row{"ipv4-only", {}, {}, "use no IPv6 on the TUN device"}.with_letter('4'),
       [](reader& in, settings& s) { s.run.tun.ipv6 = !in.given("ipv4-only"); },
       [](const settings& s) { return on_off(!s.run.tun.ipv6); }});
  add(address6({"tun-local6", "IPv6", {"fcc8::1", "fcc9::1"}, "as --tun-local, for IPv6"},
               &tun_config::local6));
  add(then(address6({"tun-peer6",
                     "IPv6",
                     {"fcc8::2", "fcc9::2"},
                     "as --tun-peer, for IPv6, in the /64 of --tun-local6"},
                    &tun_config::peer6),
           [](reader& in, settings& s) {
             judge_pair(in, s.run.tun.local6, "tun-local6", s.run.tun.peer6, "tun-peer6");
           }));
  // The kernel's MAX_TAP_QUEUES.
  add(then(
      number(
          option_row{"tun-queues", "N", "1", "queues of the device, each with a thread"}.within(
              1, 256),
          [](auto& s) -> auto& { return s.run.tun.queues; }),
      [](reader& in, settings& s) {
        if (s.run.tun.fd >= 0 && s.run.tun.queues > 1 && in.good("tun-queues"))
          in.refuse("tun-queues", "must be 1 where --tun is a descriptor, which is one queue");
      }));
  // Every IPv4 host must accept 576 (RFC 791); 65535 is the largest packet.
  add(then(number(
               option_row{"mtu", "BYTES", "1500",
                          "largest IP packet; with IPv6 at least 1280. A datagram can have 40 "
                          "bytes less, 60 less with IPv6"}
                   .within(576, 65'535),
               [](auto& s) -> auto& { return s.run.tun.mtu; }),
           [](reader& in, settings& s) {
             // RFC 8200 §5; Linux disables IPv6 on a device with less.
             if (s.run.tun.ipv6 && in.good("mtu") && s.run.tun.mtu < 1280)
               in.refuse("mtu", "must be at least 1280 for IPv6 (or give --ipv4-only)");
           }));
  add(number(
      option_row{"txqueuelen", "PACKETS", "2048", "packets that the device may queue"}.within(
          1, 65'536),
      [](auto& s) -> auto& { return s.run.tun.txqueuelen; }));
}

void add_path(std::vector<process_row>& out) {
  out.push_back(number(
      option_row{"keepalive",
                 "SECONDS",
                 "20",
                 {"probe the server when nothing was received for so long; 0 is off",
                  "not used: each client says how often it probes. Accepted so that both "
                  "sides can share their options"}}
          .within(0, 3'600)
          .of(heading::tunnel),
      [](auto& s) -> auto& { return s.run.keepalive; }));
  out.push_back({option_row{"offload", "LIST", "auto",
                            "what may be used of tun (large packets from and to the device), "
                            "udp-gso and udp-gro (many datagrams in one call). Names joined by "
                            "commas: only these; each with no- in front: all but these. auto: all "
                            "that works here; off: none"}
                     .of(heading::device),
                 read_offload, show_offload});
  out.push_back(number_or_auto(
      option_row{"coalesce-us", "US", "auto",
                 "after a wake-up that found several datagrams, rest for up to so many "
                 "microseconds so that the next finds more together; a lone datagram never waits. "
                 "auto: 150; 0: off"}
          .within(0, 1'000)
          .of(heading::device),
      count_of(config{}.coalesce), [](auto& s) -> auto& { return s.run.coalesce; }));
}

void add_firewall(std::vector<process_row>& out) {
  const auto add = [&](process_row row) {
    row.option.group = heading::firewall;
    out.push_back(std::move(row));
  };
  add({{"auto-rule",
        "IFACE",
        {},
        {"set the firewall rules and sysctls that the tunnel needs, keep them, and take them away "
         "at the end; IFACE is the interface to the network, or auto: each that the routes to "
         "the server lead by. Not given, the commands are printed",
         "set the firewall rules and sysctls that the tunnel needs, keep them, and take them away "
         "at the end; IFACE is the interface to the network, or auto: each with an address of "
         "this host. Not given, the commands are printed"}},
       read_auto_rule,
       [](const settings& s) { return s.firewall.interface; }});
  add({option_row{"nat", "MODE", "conntrack",
                  "how addresses are translated: conntrack, or stateless, which costs less and is "
                  "for hosts with one address (needs --auto-rule)"}
           .one_of("conntrack stateless "),
       [](reader& in, settings& s) {
         if (in.text("nat") == "stateless")
           s.firewall.nat = sys::nat_mode::stateless;
         else if (in.text("nat") != "conntrack")
           in.refuse("nat", "must be conntrack or stateless");
         judge_nat(in, s);
       },
       [](const settings& s) -> std::string {
         return s.firewall.nat == sys::nat_mode::stateless ? "stateless" : "conntrack";
       }});
  add({option_row{"fwmark",
                  "N",
                  {},
                  "mark of the tunnel's packets, for policy routing to tell them from what they "
                  "carry"}
           .within(1, 4'294'967'295),
       read_mark, [](const settings& s) {
         return s.firewall.mark ? std::to_string(*s.firewall.mark) : std::string{};
       }});
  add({option_row{
           "firewall", "BACKEND", "auto",
           "what brings the tunnel's packets past the host: rules of owned (nftables, a table "
           "that others cannot change), nft (one that they can), iptables; auto: the first of "
           "them that works; or bpf: no rules and no NAT, programs at the network devices "
           "take the packets (Linux 5.10, needs --auto-rule). macOS has pf alone"}
           .one_of("auto bpf owned nft iptables "),
       read_backend,
       [](const settings& s) -> std::string { return sys::to_string(s.firewall.backend); }});
  add({option_row{"reply-by",
                  "WAY",
                  "route",
                  {"not used: for answers of a server. Accepted so that both sides can share their "
                   "options",
                   "with --firewall bpf: answers leave by the uplink of the host's route, or of "
                   "arrival, by which the client's packets came"}}
           .one_of("route arrival "),
       [](reader& in, settings& s) {
         s.firewall.reply_by_arrival = in.text("reply-by") == "arrival";
         if (!s.firewall.reply_by_arrival && in.text("reply-by") != "route")
           in.refuse("reply-by", "must be route or arrival");
       },
       [](const settings& s) -> std::string {
         return s.firewall.reply_by_arrival ? "arrival" : "route";
       }});
  add(flag(
      option_row{"take-port",
                 {},
                 {},
                 {"not used: no TCP port of the host is taken. Accepted so that both sides can "
                  "share their options",
                  "start even where another program listens on the TCP port, and take the "
                  "connections from outside away from it"}},
      [](auto& s) -> auto& { return s.firewall.take_port; }));
  out.push_back(of_command_line({"print-rules",
                                 {},
                                 {},
                                 "print the commands for what would be set with the other options, "
                                 "and exit"},
                                heading::firewall));
  out.back().read = [](reader& in, settings& s) { s.print_rules = in.given("print-rules"); };
}

void add_limits(std::vector<process_row>& out) {
  const auto add = [&](process_row row) {
    row.option.group = heading::limits;
    out.push_back(std::move(row));
  };
  add(number(
      option_row{"max-sessions", "N", "65536", "sessions at a time"}.within(1, 1'000'000),
      [](auto& s) -> auto& { return s.run.bounds.max_sessions; }));
  add(then(number_or_auto(
               option_row{"max-sessions-per-source",
                          "N",
                          "auto",
                          {"of these, from one address (IPv6: from one /64; four times "
                           "as many from a /48). auto: as many as there may be",
                           "of these, from one address (IPv6: from one /64; four times "
                           "as many from a /48). auto: a sixteenth, but 64 at least"}}
                   .within(1, 1'000'000),
               0, [](auto& s) -> auto& { return s.run.bounds.max_sessions_per_source; }),
           [](reader& in, settings& s) {
             auto& bounds = s.run.bounds;
             judge_part(in, bounds, "max-sessions-per-source", bounds.max_sessions_per_source);
           }));
  add(then(number(
               option_row{"max-opening",
                          "N",
                          "4096",
                          {"of these, not yet answered by the server", "of these, not yet open"}}
                   .within(1, 1'000'000),
               [](auto& s) -> auto& { return s.run.bounds.max_opening_sessions; }),
           [](reader& in, settings& s) {
             judge_part(in, s.run.bounds, "max-opening", s.run.bounds.max_opening_sessions);
           }));
  add(number(
      option_row{"max-new-sessions", "N", "10000", "new sessions a second"}.within(1, 1'000'000),
      [](auto& s) -> auto& { return s.run.bounds.max_new_sessions_per_second; }));
  // Less would not hold one ordinary datagram.
  add(number(
      option_row{"pending-bytes", "BYTES", "262144",
                 "bytes of one session that wait until it is open"}
          .within(2'048, 16'777'216),
      [](auto& s) -> auto& { return s.run.bounds.pending_bytes; }));
  add({option_row{"pending-total-mib", "MIB", "16", "the same for all sessions together"}.within(
           1, 65'536),
       [](reader& in, settings& s) {
         s.run.bounds.pending_total_bytes = in.number("pending-total-mib") * octets_a_mib;
         judge_pending(in, s);
       },
       [](const settings& s) {
         return std::to_string(s.run.bounds.pending_total_bytes / octets_a_mib);
       }});
  add(number(
      option_row{"pool-mib", "MIB", "16", "packet buffers of each queue"}.within(1, 4'096),
      [](auto& s) -> auto& { return s.run.bounds.pool_mib; }));
}

void add_log(std::vector<process_row>& out) {
  out.push_back(word(
      option_row{"log-level", "LEVEL", "info",
                 "off, error, warn, info, debug or trace; each includes those "
                 "before it"}
          .one_of("off error warn info debug trace ")
          .of(heading::logging),
      [](auto& s) -> auto& { return s.level; }));
  out.push_back(word(
      option_row{"log-format", "FORMAT", "text", "text, or json: one object a line"}
          .one_of("text json ")
          .of(heading::logging),
      [](auto& s) -> auto& { return s.format; }));
  out.push_back(text(
      option_row{
          "log-output", "PATH", {}, "append to a file, opened again at SIGUSR2; not given, stderr"}
          .of(heading::logging),
      [](auto& s) -> auto& { return s.log_output; }));
}

void add_status(std::vector<process_row>& out) {
  const auto add = [&](process_row row) {
    row.option.group = heading::status;
    out.push_back(std::move(row));
  };
  add(then(text(
               option_row{"control", "PATH", "auto",
                          "local socket that tonelctl asks. auto: in the directory that systemd "
                          "gives, or /run/tonel (macOS: /var/run/tonel); off: none"}
                   .one_of("auto off "),
               [](auto& s) -> auto& { return s.control_path; }),
           [](reader& in, settings& s) {
             // The longest path of a local socket (man 7 unix).
             if (s.control_path.size() > 107)
               in.refuse("control", "must be at most 107 characters");
           }));
  add({{"metrics", "ADDR:PORT", "off",
        "serve /metrics for Prometheus and /healthz for load balancers over HTTP; a port alone: on "
        "127.0.0.1"},
       read_metrics,
       [](const settings& s) { return s.metrics ? s.metrics->to_string() : "off"; }});
  add({{"pcap",
        "PATH",
        {},
        "capture what passes the TUN device into this file, as pcapng, with the reason where a "
        "packet is dropped; whatever it held is overwritten. 'tonelctl pcap' does so at a running "
        "program"},
       [](reader& in, settings& s) { s.pcap = in.file("pcap"); },
       [](const settings& s) { return s.pcap.path; }});
  add(number(
      option_row{"pcap-limit", "MIB", "64", "size at which that capture ends by itself"}.within(
          1, 1'048'576),
      [](auto& s) -> auto& { return s.pcap_limit_mib; }));
}

void add_process(std::vector<process_row>& out) {
  out.push_back(of_command_line(
      {"config",
       "FILE",
       {},
       "take options from a file too, one KEY = VALUE a line, and tunnels from its [tunnel.NAME] "
       "sections; then from *.conf in the directory beside it (a.conf: a.d). What stands here "
       "beats the file. SIGHUP reads it again"},
      heading::process));
  out.push_back(of_command_line({"check",
                                 {},
                                 {},
                                 "judge the options and all files, print the tunnels and exit; "
                                 "nothing is changed"},
                                heading::process));
  out.push_back(flag(
      option_row{"daemonize",
                 {},
                 {},
                 "go on in the background once everything works; until then errors "
                 "are told here, and the exit status is theirs"}
          .with_letter('d')
          .of(heading::process),
      [](auto& s) -> auto& { return s.daemonize; }));
  out.push_back(text(
      option_row{"pid-file",
                 "PATH",
                 {},
                 "write the process' number there; a second program with the same "
                 "file does not start"}
          .of(heading::process),
      [](auto& s) -> auto& { return s.pid_path; }));
  out.push_back(text(
      option_row{
          "state-directory",
          "PATH",
          "auto",
          {"directory, for this program alone, where it keeps what its sessions prove themselves "
           "by: after "
           "a restart they go on, each with its port at the upstream. auto: that which systemd "
           "gives, "
           "else none; off: none",
           "not used: what clients keep. Accepted so that both sides can share their options"}}
          .one_of("auto off ")
          .of(heading::process),
      [](auto& s) -> auto& { return s.state_path; }));
  out.push_back(of_command_line(option_row{"help", {}, {}, "print this and exit"}.with_letter('h'),
                                heading::other));
  out.push_back(of_command_line(
      option_row{"version", {}, {}, "print version, features and libraries, and exit"}.with_letter(
          'V'),
      heading::other));
}

std::vector<process_row> make_rows() {
  std::vector<process_row> out;
  for (const auto add :
       {add_device, add_path, add_firewall, add_limits, add_log, add_status, add_process})
    add(out);
  return out;
}

} // namespace

const std::vector<process_row>& process_rows() {
  static const auto rows = make_rows();
  return rows;
}

} // namespace tonel::actors::app
