#include "actors/app/option_table.hpp"

namespace tonel::actors::app {

namespace {

constexpr std::size_t text_column = 31;
constexpr std::size_t line_width = 80;

std::vector<option_group> make_groups() {
  return {
      {"Tunnel",
       {
           {"local",
            'l',
            {"IP:PORT", "PORT"},
            {},
            0,
            0,
            {"UDP address that the applications send to, for example 127.0.0.1:51820 or "
             "[::1]:51820. Required",
             "TCP port that the clients connect to. Required"}},
           {"remote",
            'r',
            "HOST:PORT",
            {},
            0,
            0,
            {"the server: a name, an IPv4 address or an [IPv6] address, and its TCP port. "
             "Required",
             "where the datagrams go: a name, an IPv4 address or an [IPv6] address, and its UDP "
             "port. Required"}},
           {"ipv4-only", '4', {}, {}, 0, 0, "use no IPv6 on the TUN device"},
           {"idle-timeout", 0, "SECONDS", "180", 1, 604'800,
            "close a session that carried no datagram for so long"},
           {"keepalive",
            0,
            "SECONDS",
            "20",
            0,
            3'600,
            {"probe the server when nothing was received for so long; 0 is off",
             "not used: each client says how often it probes. Accepted so that both sides can "
             "share their options"}},
           {"wire",
            0,
            "DIALECT",
            {"auto", ""},
            0,
            0,
            {"what to speak: native, tonel (a server of version 0.6.1), phantun (a server of that "
             "program), or auto: native where the server can, else what it is found to speak",
             "not used: each client chooses. Accepted so that both sides can share their options"}},
           {"tcp-connections",
            0,
            "N",
            "1",
            1,
            255,
            {"connections of each session, for paths that throttle each connection by itself; "
             "datagrams are spread over them, and may overtake each other",
             "not used: each client says how many it has. Accepted so that both sides can share "
             "their options"}},
           {"udp-connections",
            0,
            "N",
            "1",
            1,
            255,
            {"not used: sockets on one address cannot share the datagrams of an application. "
             "Accepted so that both sides can share their options",
             "UDP source ports of each session, for upstreams that spread their work by port; "
             "runs of datagrams go out from one after the other"}},
           {"accept",
            0,
            "LIST",
            "native",
            0,
            0,
            {"not used: what a server accepts. Accepted so that both sides can share their options",
             "clients that are served, joined by commas: native (tonelc of this version), legacy "
             "(those of tonel 0.6.1 and of phantun; either name means both). All of them share the "
             "port. Older clients prove 16 bits, which can be guessed: serve them only where there "
             "are some"}},
           {"deadline",
            0,
            "SECONDS",
            {},
            1,
            31'536'000,
            {"longest life of a connection; a new one takes its place some seconds before, without "
             "loss. Not given: as long as it works",
             "longest life of a connection, for clients that don't limit it themselves; the client "
             "opens another at once. Not given: as long as it works"}},
           {"handshake-packet",
            0,
            "PATH",
            {},
            0,
            0,
            "file whose content goes ahead on every connection, for networks that judge it by its "
            "first packet; it must fit one packet. None is better than one that starts like TLS, "
            "HTTP or another protocol which the rest is not"},
           {"encryption",
            0,
            "xor:KEY",
            {},
            0,
            0,
            "combine every datagram with KEY, letters taken as small ones; the same on both sides. "
            "Changes how datagrams look and protects nothing: whoever looks can undo it"},
           {"encryption-file",
            0,
            "PATH",
            {},
            0,
            0,
            "the same, xor:KEY being the content of a file that others cannot read"},
       }},
      {"TUN device",
       {
           {"tun",
            0,
            "NAME|FD",
            {},
            0,
            0,
            "name of the device, or the number of a descriptor that was inherited of an open one; "
            "not given, the kernel picks a name"},
           {"tun-local",
            0,
            "IPv4",
            {"192.168.200.1", "192.168.201.1"},
            0,
            0,
            "address of this host on the device"},
           {"tun-peer",
            0,
            "IPv4",
            {"192.168.200.2", "192.168.201.2"},
            0,
            0,
            "address of this program on the device, in the /24 of --tun-local"},
           {"tun-local6", 0, "IPv6", {"fcc8::1", "fcc9::1"}, 0, 0, "as --tun-local, for IPv6"},
           {"tun-peer6",
            0,
            "IPv6",
            {"fcc8::2", "fcc9::2"},
            0,
            0,
            "as --tun-peer, for IPv6, in the /64 of --tun-local6"},
           // The kernel's MAX_TAP_QUEUES.
           {"tun-queues", 0, "N", "1", 1, 256, "queues of the device, each with a thread"},
           // 576 is what every IPv4 host must be able to take (RFC 791); 65535 the largest packet.
           {"mtu", 0, "BYTES", "1500", 576, 65'535,
            "largest IP packet; with IPv6 at least 1280. A datagram can have 40 bytes less, 60 "
            "less with IPv6"},
           {"txqueuelen", 0, "PACKETS", "2048", 1, 65'536, "packets that the device may queue"},
           {"offload", 0, "LIST", "auto", 0, 0,
            "what may be used of tun (large packets from and to the device), udp-gso and udp-gro "
            "(many datagrams in one call). Names joined by commas: only these; each with no- in "
            "front: all but these. auto: all that works here; off: none"},
           {"coalesce-us", 0, "US", "auto", 0, 1'000,
            "after a wake-up that found several datagrams, rest for up to so many microseconds so "
            "that the next finds more together; a lone datagram never waits. auto: 150; 0: off"},
       }},
      {"Firewall",
       {
           {"auto-rule",
            0,
            "IFACE",
            {},
            0,
            0,
            {"set the firewall rules and sysctls that the tunnel needs, keep them, and take them "
             "away "
             "at the end; IFACE is the interface to the network, or auto: that of the route to the "
             "server. Not given, the commands are printed",
             "set the firewall rules and sysctls that the tunnel needs, keep them, and take them "
             "away "
             "at the end; IFACE is the interface to the network, or auto: that of the default "
             "route. "
             "Not given, the commands are printed"}},
           {"nat", 0, "MODE", "conntrack", 0, 0,
            "how addresses are translated: conntrack, or stateless, which costs less and is for "
            "hosts "
            "with one address (needs --auto-rule)"},
           {"fwmark",
            0,
            "N",
            {},
            1,
            4'294'967'295,
            "mark of the tunnel's packets, for policy routing to tell them from what they carry"},
           {"firewall", 0, "BACKEND", "auto", 0, 0,
            "what sets the rules: owned (nftables, a table that others cannot change), nft (one "
            "that "
            "they can), iptables; auto: the first of them that works. macOS has pf alone"},
           {"print-rules",
            0,
            {},
            {},
            0,
            0,
            "print the commands for what would be set with the other options, and exit"},
       }},
      {"Limits",
       {
           {"max-sessions", 0, "N", "65536", 1, 1'000'000, "sessions at a time"},
           {"max-sessions-per-source",
            0,
            "N",
            "auto",
            1,
            1'000'000,
            {"of these, from one address (IPv6: from one /64; four times as many from a /48). "
             "auto: as many as there may be",
             "of these, from one address (IPv6: from one /64; four times as many from a /48). "
             "auto: "
             "a sixteenth, but 64 at least"}},
           {"max-opening",
            0,
            "N",
            "4096",
            1,
            1'000'000,
            {"of these, not yet answered by the server", "of these, not yet open"}},
           {"max-new-sessions", 0, "N", "10000", 1, 1'000'000, "new sessions a second"},
           // Less would not even hold one ordinary datagram.
           {"pending-bytes", 0, "BYTES", "262144", 2'048, 16'777'216,
            "bytes of one session that wait until it is open"},
           {"pending-total-mib", 0, "MIB", "16", 1, 65'536, "the same for all sessions together"},
           {"pool-mib", 0, "MIB", "16", 1, 4'096, "packet buffers of each queue"},
       }},
      {"Logging",
       {
           {"log-level", 0, "LEVEL", "info", 0, 0,
            "off, error, warn, info, debug or trace; each includes those before it"},
           {"log-format", 0, "FORMAT", "text", 0, 0, "text, or json: one object a line"},
           {"log-output",
            0,
            "PATH",
            {},
            0,
            0,
            "append to a file, opened again at SIGUSR2; not given, stderr"},
       }},
      {"Status",
       {
           {"control", 0, "PATH", "auto", 0, 0,
            "local socket that tonelctl asks. auto: in the directory that systemd gives, or "
            "/run/tonel (macOS: /var/run/tonel); off: none"},
           {"metrics", 0, "ADDR:PORT", "off", 0, 0,
            "serve /metrics for Prometheus and /healthz for load balancers over HTTP; a port "
            "alone: on 127.0.0.1"},
           {"pcap",
            0,
            "PATH",
            {},
            0,
            0,
            "capture what passes the TUN device into this file, as pcapng, with the reason where a "
            "packet is dropped; whatever it held is overwritten. 'tonelctl pcap' does so at a "
            "running program"},
           {"pcap-limit", 0, "MIB", "64", 1, 1'048'576,
            "size at which that capture ends by itself"},
       }},
      {"Process",
       {
           {"config",
            0,
            "FILE",
            {},
            0,
            0,
            "take options from a file too, one KEY = VALUE a line, and tunnels from its "
            "[tunnel.NAME] sections; then from *.conf in the directory beside it (a.conf: a.d). "
            "What stands here beats the file. SIGHUP reads it again"},
           {"check",
            0,
            {},
            {},
            0,
            0,
            "judge the options and all files, print the tunnels and exit; nothing is changed"},
           {"daemonize",
            'd',
            {},
            {},
            0,
            0,
            "go on in the background once everything works; until then errors are told here, and "
            "the exit status is theirs"},
           {"pid-file",
            0,
            "PATH",
            {},
            0,
            0,
            "write the process' number there; a second program with the same file does not start"},
       }},
      {"Other",
       {
           {"help", 'h', {}, {}, 0, 0, "print this and exit"},
           {"version", 'V', {}, {}, 0, 0, "print version, features and libraries, and exit"},
       }},
  };
}

/// Breaks a text at blanks; every line but the first is indented to the column of the texts.
void append_wrapped(std::string& out, std::string_view text) {
  std::size_t column = text_column;
  while (!text.empty()) {
    const auto blank = text.find(' ');
    const auto word = text.substr(0, blank);
    text = blank == std::string_view::npos ? std::string_view{} : text.substr(blank + 1);
    if (column > text_column && column + 1 + word.size() > line_width) {
      out += '\n';
      out.append(text_column, ' ');
      column = text_column;
    } else if (column > text_column) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  out += '\n';
}

void append_option(std::string& out, const option_spec& option, role side) {
  std::string head = "  ";
  if (option.letter != 0) {
    head += '-';
    head += option.letter;
    head += ", --";
  } else {
    head += "    --";
  }
  head += option.name;
  const auto argument = option.argument.of(side);
  if (!argument.empty()) {
    head += ' ';
    head += argument;
  }
  out += head;
  if (head.size() + 2 > text_column) {
    out += '\n';
    out.append(text_column, ' ');
  } else {
    out.append(text_column - head.size(), ' ');
  }
  std::string text{option.text.of(side)};
  const auto preset = option.preset.of(side);
  if (option.most != 0) {
    text += " (" + std::to_string(option.least) + " to " + std::to_string(option.most) + ")";
  }
  if (!preset.empty()) {
    text += " [";
    text += preset;
    text += ']';
  }
  append_wrapped(out, text);
}

std::string printable(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      out += "\\x";
      out += digits[octet >> 4];
      out += digits[octet & 0xf];
    } else {
      out += c;
    }
  }
  return out;
}

} // namespace

const std::vector<option_group>& option_groups() {
  static const auto groups = make_groups();
  return groups;
}

const option_spec* find_option(std::string_view name) {
  for (const auto& group : option_groups()) {
    for (const auto& option : group.options) {
      if (name == option.name) return &option;
    }
  }
  return nullptr;
}

bool is_command_line_only(std::string_view name) {
  return name == "config" || name == "check" || name == "print-rules" || name == "help" ||
         name == "version";
}

std::string_view program_name(role side) { return side == role::client ? "tonelc" : "tonels"; }

std::string help_text(role side) {
  std::string out;
  if (side == role::client) {
    out += "tonelc: carries UDP datagrams to a tonels in packets that look like TCP\n\n"
           "usage: tonelc --local IP:PORT --remote HOST:PORT [OPTION]...\n       tonelc --config "
           "FILE [OPTION]...\n";
  } else {
    out += "tonels: turns the TCP-looking packets of tonelc back into UDP datagrams\n\n"
           "usage: tonels --local PORT --remote HOST:PORT [OPTION]...\n       tonels --config FILE "
           "[OPTION]...\n";
  }
  for (const auto& group : option_groups()) {
    out += '\n';
    out += group.title;
    out += ":\n";
    for (const auto& option : group.options)
      append_option(out, option, side);
  }
  out += "\nThe default of an option stands in [brackets]. Exit status: 2 for wrong options,\n"
         "before anything on the host is changed; 1 for another failure.\n";
  return out;
}

std::string option_error::to_string() const {
  std::string out = place.empty() ? "" : printable(place) + ": ";
  out += printable(option);
  if (!value.empty()) {
    if (!out.empty()) out += ' ';
    out += printable(value);
  }
  return out + ": " + problem;
}

std::string error_text(role side, const std::vector<option_error>& errors) {
  const std::string program{program_name(side)};
  std::string out;
  for (const auto& error : errors)
    out += program + ": " + error.to_string() + "\n";
  return out + "'" + program + " --help' lists the options and what they allow.\n";
}

} // namespace tonel::actors::app
